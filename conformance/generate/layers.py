"""Layers of small networks with seeded integer parameters: dyadic gains near 1, accumulators near 31 bits."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.verify.synthetic import Splitmix
from refdec.integer import Graph, GraphInput, Node
from refdec.integer.nodes import ACTIVATION_MAX, INT32_MAX

SIGNAL = 32640
WEIGHT_SUM = 60_000
"""Sum of the magnitudes of a wide layer's weights: times the largest activation this is close to 2^31."""
SOFT_LIMIT, NORM_LIMIT, ATTENTION_LIMIT = 20_000, 12_000, 8_000
"""Clips of operations that seldom fill 16 bits: narrow enough for streams to reach both sides."""


class Layers:
    """Collects the nodes of a graph; every method appends one node and gives its name back.

    :param random: where all parameters come from.
    """

    def __init__(self, random: Splitmix, *inputs: GraphInput) -> None:
        self.random = random
        self.inputs = inputs
        self.nodes: list[Node] = []
        self.channels = {item.name: item.channels for item in inputs}

    def graph(self, output: str) -> Graph:
        """The graph with one output."""
        return Graph(self.inputs, tuple(self.nodes), (output,))

    def conv(
        self,
        name: str,
        source: str,
        outputs: int,
        kernel: int = 1,
        *,
        groups: int = 1,
        pad: tuple[int, int, int, int] | None = None,
        wide: bool = False,
        gain: int = 0,
        lo: int | tuple[int, ...] = -ACTIVATION_MAX,
        hi: int | tuple[int, ...] = ACTIVATION_MAX,
        **attributes: Any,
    ) -> str:
        """A convolution.

        :param wide: weights of 16 bits whose accumulator can use all of int32; otherwise of 8 bits.
        :param gain: doublings of the output on average, beyond a gain of about 1.
        """
        fan = self.channels[source] // groups
        weight = self._weight((outputs, fan, kernel, kernel), fan * kernel * kernel, wide)
        tensors = self._epilogue(weight, tuple(range(1, 4)), gain)
        same = (kernel // 2,) * 4
        return self._add(
            Node(
                name, "conv", (source,),
                {"pad": same if pad is None else pad, "groups": groups, **attributes},
                tensors, lo, hi,
            ),
            outputs,
        )  # fmt: skip

    def transposed(
        self,
        name: str,
        source: str,
        outputs: int,
        kernel: int,
        *,
        wide: bool = False,
        limit: int = ACTIVATION_MAX,
        **attributes: Any,
    ) -> str:
        """A transposed convolution, n to 2n."""
        fan = self.channels[source]
        weight = self._weight((fan, outputs, kernel, kernel), fan * 4, wide)
        tensors = self._epilogue(weight, (0, 2, 3), 1)
        return self._add(
            Node(name, "transposed_conv", (source,), attributes, tensors, -limit, limit), outputs
        )

    def shuffle(self, name: str, source: str, factor: int) -> str:
        """Pixel shuffle."""
        node = Node(name, "pixel_shuffle", (source,), {"factor": factor})
        return self._add(node, self.channels[source] // factor**2)

    def crop(self, name: str, source: str, divisor: int) -> str:
        """Crop to the picture's size divided."""
        return self._add(Node(name, "crop", (source,), {"divisor": divisor}), self.channels[source])

    def concat(self, name: str, *sources: str) -> str:
        """Channels of all sources."""
        return self._add(Node(name, "concat", sources), sum(self.channels[s] for s in sources))

    def part(self, name: str, source: str, start: int, stop: int) -> str:
        """Some channels."""
        return self._add(Node(name, "slice", (source,), {"start": start, "stop": stop}), stop - start)

    def clip(self, name: str, source: str, lo: int, hi: int) -> str:
        """Clip."""
        return self._add(Node(name, "clip", (source,), lo=lo, hi=hi), self.channels[source])

    def absolute(self, name: str, source: str, hi: int) -> str:
        """Magnitude, clipped."""
        return self._add(Node(name, "abs", (source,), lo=0, hi=hi), self.channels[source])

    def add(self, name: str, a: str, b: str, *, limit: int = ACTIVATION_MAX, shifts: int = 2) -> str:
        """Sum of two tensors on scales that differ by up to ``shifts`` doublings a channel."""
        count = self.channels[a]
        of_a, of_b = (self.random.integers(0, shifts, (count,)) for _ in range(2))
        tensors = {
            "shift_a": of_a.astype(np.uint8),
            "shift_b": of_b.astype(np.uint8),
            "shift": np.maximum(of_a, of_b).astype(np.uint8),
        }
        return self._add(Node(name, "add", (a, b), {}, tensors, -limit, limit), count)

    def mul(self, name: str, a: str, b: str, shift: int, **attributes: Any) -> str:
        """Product of two tensors."""
        count = self.channels[a]
        shifts = self.random.integers(shift, shift + 1, (count,)).astype(np.uint8)
        limit = ACTIVATION_MAX
        return self._add(Node(name, "mul", (a, b), attributes, {"shift": shifts}, -limit, limit), count)

    def soft(self, name: str, source: str, knee: int) -> str:
        """A table like a sigmoid's: ``24576 a / (|a| + knee)``, rounded down."""
        a = np.arange(-32768, 32768, dtype=np.int64)
        table = (a * 24576 // (np.abs(a) + knee)).astype(np.int16)
        node = Node(name, "lut", (source,), {}, {"table": table}, -SOFT_LIMIT, SOFT_LIMIT)
        return self._add(node, self.channels[source])

    def norm(self, name: str, source: str) -> str:
        """Layer normalisation."""
        count = self.channels[source]
        tensors = {
            "weight": (self.random.integers(300, 900, (count,)) * self._signs(count)).astype(np.int16),
            "bias": self.random.integers(-1 << 20, 1 << 20, (count,)).astype(np.int32),
            "shift": self.random.integers(10, 12, (count,)).astype(np.uint8),
        }
        limit = NORM_LIMIT
        node = Node(name, "layer_norm", (source,), {"epsilon": 1 << 12}, tensors, -limit, limit)
        return self._add(node, count)

    def attention(
        self,
        name: str,
        source: str,
        heads: int,
        temperatures: tuple[int, ...] | None = None,
        limit: int = ATTENTION_LIMIT,
    ) -> str:
        """Channel attention; the source's channels are q, k and v.

        :param temperatures: of the heads; ``None``: drawn.
        """
        count = self.channels[source] // 3
        if temperatures is None:
            temperatures = tuple(self.random.integers(20_000, 400_000, (heads,)).tolist())
        tensors = {
            "temperature": np.array(temperatures, np.int32),
            "shift": self.random.integers(14, 15, (count,)).astype(np.uint8),
        }
        node = Node(name, "channel_attention", (source,), {"heads": heads}, tensors, -limit, limit)
        return self._add(node, count)

    def levels(self, name: str, source: str, values: tuple[int, ...]) -> str:
        """As many channels as values, each the same at every position, whatever the source is."""
        count = len(values)
        tensors = {
            "weight": np.zeros((count, self.channels[source], 1, 1), np.int8),
            "bias": np.array(values, np.int32),
            "shift": np.zeros(count, np.uint8),
        }
        limit = ACTIVATION_MAX
        node = Node(name, "conv", (source,), {"pad": (0,) * 4, "groups": 1}, tensors, -limit, limit)
        return self._add(node, count)

    def _add(self, node: Node, channels: int) -> str:
        self.nodes.append(node)
        self.channels[node.name] = channels
        return node.name

    def _signs(self, count: int) -> npt.NDArray[np.int64]:
        return 1 - 2 * self.random.integers(0, 1, (count,))

    def _weight(self, shape: tuple[int, ...], taps: int, wide: bool) -> npt.NDArray[Any]:
        if not wide:
            return self.random.integers(-127, 127, shape).astype(np.int8)
        most = min(ACTIVATION_MAX, 2 * WEIGHT_SUM // taps)
        return self.random.integers(-most, most, shape).astype(np.int16)

    def _epilogue(
        self, weight: npt.NDArray[Any], taps: tuple[int, ...], gain: int
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Weight, bias and shifts; a channel's weights shrink where its accumulator would not fit."""
        wide = weight.astype(np.int64)
        sums = np.abs(wide).sum(axis=taps, keepdims=True)
        # Head-room for the bias and the rounding.
        most = (INT32_MAX - (1 << 26)) // (ACTIVATION_MAX + 1)
        wide = np.where(sums > most, np.sign(wide) * (np.abs(wide) * most // np.maximum(sums, 1)), wide)
        squares = (wide * wide).sum(axis=taps).tolist()
        jitter = self.random.integers(0, 1, (len(squares),)).tolist()
        shift = [max(1, isqrt(q).bit_length() - gain + j) for q, j in zip(squares, jitter, strict=True)]
        bias = [int(b) << max(0, s - 8) for b, s in zip(self._bias(len(shift)), shift, strict=True)]
        return {
            "weight": wide.astype(weight.dtype),
            "bias": np.array(bias, np.int32),
            "shift": np.array(shift, np.uint8),
        }

    def _bias(self, count: int) -> list[int]:
        out: list[int] = self.random.integers(-60_000, 60_000, (count,)).tolist()
        return out
