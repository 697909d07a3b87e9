"""The twin: the same integer graphs on PyTorch in float64, where every integer below 2^53 is exact.

A third voice next to the golden and the jit engine. It shares the graph and the tables with them and
no arithmetic: sums are PyTorch's own convolutions and matrix products, shifts are divisions by powers
of two with a floor. Before each sum it asserts that no order of its terms can pass 2^53.
"""

from conformance.twin.engine import InexactError, run

__all__ = ["InexactError", "run"]
