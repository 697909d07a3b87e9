"""The twin: the same integer graphs on PyTorch, with sums that are exact in floating point by proof.

A third voice next to the golden and the jit engine. It shares the graph and the tables with them and
no arithmetic. In float64, where every integer below 2^53 is exact, sums are PyTorch's own convolutions and
matrix products, shifts are divisions by powers of two with a floor; before each sum it asserts that no
order of its terms can pass 2^53. In float32 sums are matrix products of parts of weights and activations,
proved beforehand to stay within 2^24, and everything else is integers: for devices on which float64 is
slow or absent.
"""

from conformance.twin.device import unusable
from conformance.twin.engine import PRECISIONS, InexactError, run

__all__ = ["PRECISIONS", "InexactError", "run", "unusable"]
