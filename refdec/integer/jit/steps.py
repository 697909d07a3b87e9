"""Steps: what a lowered graph is made of.

A :class:`Step` is one operation of the interpreter, with up to r * r phases where it makes r x r output
pixels at once; a :class:`Store` is memory in which one or several tensors lie next to each other in the
channels. Neither knows sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Graph, Node

IntArray = npt.NDArray[np.integer[Any]]


@dataclass(eq=False)
class Store:
    """Memory of one or several tensors: ``channels`` per pixel (padded), sized like the tensor ``size``."""

    name: str
    size: str
    channels: int


@dataclass(frozen=True)
class Tensor:
    """``channels`` from channel ``first`` on in a store."""

    store: Store
    first: int
    channels: int


@dataclass(frozen=True)
class Phase:
    """One of the output pixels that a step makes per input pixel."""

    dy: int
    dx: int
    segments: tuple[tuple[int, int], ...]
    steps: int
    weights: int
    panel_bytes: int
    blocks: int


@dataclass(eq=False)
class Step:
    """One operation; see :mod:`refdec.integer.jit.layout` for what becomes of it.

    :param reach: lowest and highest row offset that it reads of its operand.
    :param factor: output rows per row of work.
    :param level: how many attention nodes lie before it.
    :param runtime: index of the attention whose weights it uses.
    """

    kind: int
    source: Tensor | None = None
    out: Tensor | None = None
    operand: Tensor | None = None
    dual: Tensor | None = None
    stride: int = 1
    reach: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)
    factor: int = 1
    phases: list[Phase] = field(default_factory=list)
    blocks: int = 0
    flags: int = 0
    channels: int = 0
    table: int = 0
    numbers: int = 0
    extra: int = 0
    external: str = ""
    runtime: int = -1
    level: int = 0


@dataclass(frozen=True)
class Attention:
    """What the softmax between Gram sums and weighted sum needs."""

    node: Node
    heads: int
    width: int


@dataclass(frozen=True)
class Lowered:
    """A graph as steps with all its constants."""

    graph: Graph
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    attentions: tuple[Attention, ...]
    weights: IntArray
    blocks: IntArray
    numbers: IntArray
