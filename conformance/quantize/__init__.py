"""From float networks to integer graphs: calibration, scales, rounding, and the proof that it is safe."""

from conformance.quantize.calibration import ChannelStatistics, Sample, collect
from conformance.quantize.compile import compile_graph
from conformance.quantize.float_graph import FloatGraph, FloatGraphError, FloatInput, FloatNode
from conformance.quantize.options import SCHEMES, Format, Options, QuantisationError
from conformance.quantize.report import CompilationReport, LayerReport

__all__ = [
    "SCHEMES",
    "ChannelStatistics",
    "CompilationReport",
    "FloatGraph",
    "FloatGraphError",
    "FloatInput",
    "FloatNode",
    "Format",
    "LayerReport",
    "Options",
    "QuantisationError",
    "Sample",
    "collect",
    "compile_graph",
]
