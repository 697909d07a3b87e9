"""``refconf bounds``: for every layer the sums that are proved possible, beside what a suite reaches."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.generate.entry import MODELS_FOLDER
from conformance.suite.choice import chosen_names
from conformance.suite.records import PictureSuite
from conformance.verify.engines import settings_of
from refdec.codestream import parse
from refdec.decoder import decode_picture
from refdec.integer import Graph, Model, golden, graphs_run_by, prove
from refdec.models_io import ModelSet, bundled_models, eicci_file_name, file_name, open_models

Place = tuple[str, str, str]
"""Model file, graph, node."""


@dataclass(frozen=True)
class Row:
    """One node that accumulates.

    :param model: file, in front of it the folder of another model set than the suite's first.
    :param proved: least and largest complete sum of any channel; ``reached``: of any decode.
    :param streams: which streams reach the least and the largest.
    :param percent: the largest share of a channel's proved side that some stream reaches, rounded down.
    :param rest: the same without the streams that are set apart; ``None`` where none of the others ran it.
    """

    model: str
    graph: str
    node: str
    op: str
    proved: tuple[int, int]
    reached: tuple[int, int]
    streams: tuple[str, str]
    percent: int
    rest: int | None


class _Seen:
    """The ends of the sums of one node over all streams."""

    def __init__(self, graph: Graph, node: str, apart: str) -> None:
        self.graph, self.node, self.apart = graph, node, apart
        self.low: tuple[int, str] | None = None
        self.high: tuple[int, str] | None = None
        self.percent = 0
        self.rest: int | None = None

    def add(self, sums: npt.NDArray[np.int64], stream: str) -> None:
        """Take in the sums ``[C, H, W]`` of one run."""
        bound = prove(self.graph).accumulators[self.node]
        lowest, highest = sums.min(axis=(1, 2)), sums.max(axis=(1, 2))
        for reached, limit in ((-lowest, -bound.acc_lo), (highest, bound.acc_hi)):
            share = np.maximum(reached, 0) * 100 // np.maximum(limit, 1)
            self.percent = max(self.percent, int(share.max()))
            if not fnmatch.fnmatchcase(stream, self.apart):
                self.rest = max(self.rest or 0, int(share.max()))
        if self.low is None or int(lowest.min()) < self.low[0]:
            self.low = int(lowest.min()), stream
        if self.high is None or int(highest.max()) > self.high[0]:
            self.high = int(highest.max()), stream


def measure(
    suite: PictureSuite,
    models: Path | None = None,
    only: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda _name: None,
    apart: str = "",
) -> list[Row]:
    """Decode a suite's good streams with the golden engine and compare its sums with the proofs.

    :param models: folder of the model set instead of the suite's own.
    :param apart: pattern of streams that :attr:`Row.rest` leaves out.
    :param only: patterns of the names of streams to decode; ``None``: all.
    :raises UsageError: a pattern matches no stream.
    """
    wanted = chosen_names([record.name for record in suite.records], only)
    sets: dict[Path | None, ModelSet] = {}
    seen: dict[Place, _Seen] = {}
    for record in suite.records:
        if record.rejection is not None or record.name not in wanted:
            continue
        folder = models if models is not None else suite.whole_models_folder(record)
        if folder not in sets:
            sets[folder] = bundled_models() if folder is None else open_models(folder)
        other = record.model_set not in (None, MODELS_FOLDER) and models is None
        prefix = f"{record.model_set}/" if other else ""
        with graphs_run_by(_listening(sets[folder], prefix, seen, record.name, apart)):
            decode_picture(
                parse(suite.stream(record), record.dialect), sets[folder], settings_of(record, "golden")
            )
        progress(record.name)
    return [_row(place, found) for place, found in sorted(seen.items(), key=lambda item: item[0])]


def _listening(
    models: ModelSet, prefix: str, seen: dict[Place, _Seen], stream: str, apart: str
) -> Callable[..., Any]:
    def run(graph: Graph, inputs: Any, size: tuple[int, int], *, observe: Any = None) -> Any:
        file, name = next(
            (file, name)
            for file, model in _files(models)
            for name, known in model.graphs.items()
            if known is graph
        )

        def hear(node: str, sums: npt.NDArray[np.int64]) -> None:
            place = (prefix + file, name, node)
            seen.setdefault(place, _Seen(graph, node, apart)).add(sums, stream)

        return golden.run(graph, inputs, size, observe=observe, accumulators=hear)

    return run


def _files(models: ModelSet) -> Iterator[tuple[str, Model]]:
    """All models that are loaded, with the names of their files."""
    yield from ((file_name(*key), model) for key, model in models.loaded.items())
    yield from ((eicci_file_name(*key), model) for key, model in models.loaded_eicci.items())


def _row(place: Place, found: _Seen) -> Row:
    bound = prove(found.graph).accumulators[found.node]
    assert found.low is not None and found.high is not None
    return Row(
        *place,
        found.graph.node(found.node).op,
        (int(bound.acc_lo.min()), int(bound.acc_hi.max())),
        (found.low[0], found.high[0]),
        (found.low[1], found.high[1]),
        found.percent,
        found.rest,
    )
