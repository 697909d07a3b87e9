"""Every operation once more, one output value at a time in plain Python integers.

Written from docs/arithmetic-networks.md alone: nothing here wraps, and nothing is shared with the
engines but the graph and the exponential tables. Only for small cases.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer import Graph, Node, exp2

Map = list[list[list[int]]]


def evaluate(
    graph: Graph, inputs: dict[str, npt.NDArray[Any]], size: tuple[int, int]
) -> dict[str, npt.NDArray[np.int16]]:
    """Every tensor of the graph by name."""
    values: dict[str, Map] = {name: array.tolist() for name, array in inputs.items()}
    for node in graph.nodes:
        sources = [values[i] for i in node.inputs]
        values[node.name] = getattr(_Plain(graph, node, size), node.op)(*sources)
    return {name: np.array(value, np.int16) for name, value in values.items()}


class _Plain:
    def __init__(self, graph: Graph, node: Node, size: tuple[int, int]) -> None:
        self.node, self.size = node, size
        self.t: dict[str, Any] = {role: tensor.tolist() for role, tensor in node.tensors.items()}
        self.a = node.attributes
        self.range = [b.tolist() for b in graph.clip_range(node.name)] if node.lo is not None else None

    def clipped(self, v: int, c: int) -> int:
        assert self.range is not None
        return max(self.range[0][c], min(self.range[1][c], v))

    def finish(self, acc: int, c: int) -> int:
        assert -(2**63) <= acc < 2**63
        leaky = self.a.get("leaky")
        if leaky and acc < 0:
            acc = acc * leaky["numerator"] // 2 ** leaky["shift"]
        s = self.t["shift"][c]
        if self.a.get("rounding", "half_up") == "half_up" and s > 0:
            acc += 2 ** (s - 1)
        return self.clipped(acc // 2**s, c)

    def conv(self, x: Map) -> Map:
        w, stride, (top, left, bottom, right) = self.t["weight"], self.a["stride"], self.a["pad"]
        rows, columns = len(x[0]), len(x[0][0])
        kh, kw, per = len(w[0][0]), len(w[0][0][0]), len(w) // self.a["groups"]
        out = []
        for o in range(len(w)):
            first = o // per * len(w[0])
            plane = []
            for y in range((rows + top + bottom - kh) // stride + 1):
                line = []
                for z in range((columns + left + right - kw) // stride + 1):
                    acc = self.t["bias"][o]
                    for i in range(len(w[0])):
                        for ky in range(kh):
                            for kx in range(kw):
                                yy, xx = y * stride + ky - top, z * stride + kx - left
                                if 0 <= yy < rows and 0 <= xx < columns:
                                    acc += w[o][i][ky][kx] * x[first + i][yy][xx]
                    assert -(2**31) <= acc < 2**31
                    line.append(self.finish(acc, o))
                plane.append(line)
            out.append(plane)
        return out

    def transposed_conv(self, x: Map) -> Map:
        w = self.t["weight"]
        rows, columns, k = len(x[0]), len(x[0][0]), len(w[0][0])
        out = []
        for o in range(len(w[0])):
            acc = [[self.t["bias"][o]] * (2 * columns) for _ in range(2 * rows)]
            for i in range(len(x)):
                for y in range(rows):
                    for z in range(columns):
                        for ky in range(k):
                            for kx in range(k):
                                yy, xx = 2 * y - 1 + ky, 2 * z - 1 + kx
                                if 0 <= yy < 2 * rows and 0 <= xx < 2 * columns:
                                    acc[yy][xx] += x[i][y][z] * w[i][o][ky][kx]
            assert all(-(2**31) <= v < 2**31 for line in acc for v in line)
            out.append([[self.finish(v, o) for v in line] for line in acc])
        return out

    def each(self, x: Map, function: Any) -> Map:
        return [
            [[function(v, c, y, z) for z, v in enumerate(line)] for y, line in enumerate(plane)]
            for c, plane in enumerate(x)
        ]

    def clip(self, x: Map) -> Map:
        return self.each(x, lambda v, c, y, z: self.clipped(v, c))

    def abs(self, x: Map) -> Map:
        return self.each(x, lambda v, c, y, z: self.clipped(abs(v), c))

    def add(self, a: Map, b: Map) -> Map:
        left, right = self.t["shift_a"], self.t["shift_b"]
        return self.each(a, lambda v, c, y, z: self.finish(v * 2 ** left[c] + b[c][y][z] * 2 ** right[c], c))

    def mul(self, a: Map, b: Map) -> Map:
        return self.each(a, lambda v, c, y, z: self.finish(v * b[c][y][z], c))

    def lut(self, x: Map) -> Map:
        return self.each(x, lambda v, c, y, z: self.clipped(self.t["table"][v + 32768], c))

    def pixel_shuffle(self, x: Map) -> Map:
        r = self.a["factor"]
        return [
            [
                [x[c * r * r + y % r * r + z % r][y // r][z // r] for z in range(len(x[0][0]) * r)]
                for y in range(len(x[0]) * r)
            ]
            for c in range(len(x) // (r * r))
        ]

    def crop(self, x: Map) -> Map:
        rows, columns = ((n + self.a["divisor"] - 1) // self.a["divisor"] for n in self.size)
        return [[line[:columns] for line in plane[:rows]] for plane in x]

    def concat(self, *parts: Map) -> Map:
        return [plane for part in parts for plane in part]

    def slice(self, x: Map) -> Map:
        return x[self.a["start"] : self.a["stop"]]

    def layer_norm(self, x: Map) -> Map:
        count = len(x)

        def at(v: int, c: int, y: int, z: int) -> int:
            column = [plane[y][z] for plane in x]
            total = sum(column)
            energy = count * sum(u * u for u in column) - total * total + self.a["epsilon"]
            j = 0
            while energy * 4**j < 2**46:
                j += 1
            inverse = 2**47 // isqrt(energy * 4**j)
            n = ((count * v - total) * 2**j * inverse + 2**32) // 2**33
            return self.finish(n * self.t["weight"][c] + self.t["bias"][c], c)

        return self.each(x, at)

    def channel_attention(self, x: Map) -> Map:
        third, heads = len(x) // 3, self.a["heads"]
        width, columns = third // heads, len(x[0][0])
        flat = [[v for line in plane for v in line] for plane in x]
        out = []
        for i in range(third):
            head = i // width
            others = range(head * width, (head + 1) * width)
            logits = [_cosine(flat[i], flat[third + j]) * self.t["temperature"][head] for j in others]
            powers = []
            for value in logits:
                d = (max(logits) - value + 2**23) // 2**24
                fraction = exp2.HIGH[d // 256 % 256] * exp2.LOW[d % 256] // 2**26
                powers.append(fraction // 2 ** (d // 65536) if d // 65536 <= 26 else 0)
            z = sum(powers)
            weights = [min(32767, (e * 2**15 + z // 2) // z) for e in powers]
            line = [
                self.finish(sum(p * flat[2 * third + j][n] for p, j in zip(weights, others, strict=True)), i)
                for n in range(len(flat[0]))
            ]
            out.append([line[n : n + columns] for n in range(0, len(line), columns)])
        return out


def norm(squares: int) -> tuple[int, int]:
    e = -8
    while squares * 4 ** (e + 8) < 2**50 * 4**8:
        e += 1
    return e, isqrt(squares * 4 ** (e + 8) // 4**8)


def _cosine(q: list[int], k: list[int]) -> int:
    squares_q, squares_k = sum(v * v for v in q), sum(v * v for v in k)
    if squares_q == 0 or squares_k == 0:
        return 0
    (e_q, norm_q), (e_k, norm_k) = norm(squares_q), norm(squares_k)
    exponent = e_q + e_k
    g = sum(a * b for a, b in zip(q, k, strict=True)) * 2 ** (exponent + 64) // 2**64
    return (g // norm_q * 2**24 + norm_k // 2) // norm_k
