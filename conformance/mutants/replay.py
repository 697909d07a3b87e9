"""Decodes a stream from the first stage that a mutant can change to the last, and compares on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.mutants.cases import Case, Planes
from conformance.mutants.mutant import STAGES, MutantError
from conformance.mutants.patch import Function, function_of
from conformance.mutants.probe import look, same
from refdec.codestream import Codestream, parse
from refdec.decoder import decode_picture
from refdec.entropy_stage import EntropyResult, decode_payloads
from refdec.errors import BitstreamError
from refdec.filters import FilterContext, apply_filters, enabled_filters
from refdec.latent_stage import decode_latents
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import COMPONENT_NAMES
from refdec.picture import Picture, coded_planes, finish_picture, make_picture, source_planes
from refdec.settings import Observer
from refdec.synthesis_stage import Steps, synthesis_models, synthesise_planes
from refdec.trace import entry_of, key

_STAGE_OF = {
    "psi": "latent",
    "mu": "latent",
    "y_hat": "latent",
    "y_hat_scaled": "latent",
    "y_hat_rectified": "latent",
    "synthesis": "synthesis",
    "plane": "picture",
    "filter": "picture",
    "picture": "picture",
}
"""Stage of a trace point; all others belong to the entropy stage."""


@dataclass(frozen=True)
class Finding:
    """How a stream finds a mutant out.

    :param kind: ``value`` (a tensor differs), ``refused`` (a good stream is), ``accepted`` (a bad one is),
        ``error`` (a bad one is refused for another reason), ``crash``, ``hang``.
    :param place: trace point, or what was raised.
    """

    stream: str
    kind: str
    place: str


class _Differs(Exception):
    """Ends a decode at the first tensor that is not the right one."""


def prepare(case: Case) -> None:
    """Decode without a mutant, keep what later stages start from, and note what runs.

    :raises MutantError: the decoder does not do what the suite says.
    """
    start = time.process_time()
    ran: set[Function] = set()
    with _noting(ran):
        finding = examine(case, STAGES[0], case.last, keep=True)
    if finding is not None:
        raise MutantError(
            f"without any mutant, {case.name} gives {finding.kind} at {finding.place}: "
            "the suite and this decoder do not belong together"
        )
    case.functions = frozenset(ran)
    if case.rejection is None:
        case.looks = {kind: look(kind, case) for kind in ("headers", "scales")}
    case.seconds = time.process_time() - start


@contextmanager
def _noting(ran: set[Function]) -> Iterator[None]:
    """Within the block every function that is called is noted."""
    seen: set[int] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and id(code) not in seen:
            seen.add(id(code))
            ran.add(function_of(code))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def examine(case: Case, first: str, last: str, *, keep: bool = False) -> Finding | None:
    """What is wrong with a decode of a stream; ``None`` if nothing is.

    :param first: stage to start with, from the right tensors of the stage before; ``last`` likewise.
    :param keep: put what every stage gives into the case.
    """
    if case.rejection is not None:
        return _examine_rejection(case)
    last = min(last, case.last, key=STAGES.index)
    span = STAGES[STAGES.index(first) : STAGES.index(last) + 1]
    seen: set[str] = set()

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        name = key(point, component, region)
        if case.expected.get(name) != entry_of(point, component, region, tensor)[0]["sha256"]:
            raise _Differs(name)
        seen.add(name)
        if keep and point == "log_sigma_raw":
            case.raw_scales[COMPONENT_NAMES.index(component)] = tensor.copy()  # type: ignore[assignment]

    try:
        decode(case, first, last, observe, keep=keep)
    except _Differs as place:
        return Finding(case.name, "value", str(place))
    except BitstreamError as error:
        return Finding(case.name, "refused", f"{type(error).__name__}: {error.message}")
    except Exception as error:
        return Finding(case.name, "crash", f"{type(error).__name__}: {error}")
    for name in case.expected:
        if name not in seen and _STAGE_OF.get(name.split(".", 1)[0], "entropy") in span:
            return Finding(case.name, "value", f"{name} (absent)")
    return None


def examine_unwatched(case: Case) -> Finding | None:
    """What is wrong with the picture of a decode that nobody watches; ``None`` if nothing is.

    Where layers are looked at one by one the fast engine keeps each: only here does it fuse them.
    """
    if case.picture is None or case.last != "picture":
        return None
    try:
        planes = decode(case, STAGES[0], "picture", None)
    except BitstreamError as error:
        return Finding(case.name, "refused", f"{type(error).__name__}: {error.message}")
    except Exception as error:
        return Finding(case.name, "crash", f"{type(error).__name__}: {error}")
    assert planes is not None
    if all(map(np.array_equal, planes, case.picture)):
        return None
    return Finding(case.name, "value", "picture (layers fused)")


def untouched(case: Case, kind: str | None) -> bool:
    """Whether a look of that kind is enough to say that the mutant applied changes nothing of a stream."""
    if kind is None or case.rejection is not None:
        return False
    try:
        return same(look(kind, case), case.looks[kind])
    except Exception:
        # Whatever goes wrong here goes wrong in the decode too, and is told there.
        return False


def _examine_rejection(case: Case) -> Finding | None:
    try:
        decode(case, STAGES[0], case.last, None)
    except BitstreamError as error:
        found = {"error": type(error).__name__, "element": error.element, "bit_offset": error.bit_offset}
        if found == case.rejection:
            return None
        return Finding(case.name, "error", f"{found['error']} in {found['element']}: {error.message}")
    except Exception as error:
        return Finding(case.name, "crash", f"{type(error).__name__}: {error}")
    return Finding(case.name, "accepted", "a stream that must be rejected")


def decode(
    case: Case, first: str, last: str, observer: Observer | None, *, keep: bool = False
) -> Planes | None:
    """Stages ``first`` to ``last`` of a decode; the picture's planes if it goes so far.

    :param keep: put what every stage gives into the case.
    """
    begin, end = STAGES.index(first), STAGES.index(last)
    stream = parse(case.data, case.dialect)
    if begin == 0 and last == "picture" and not keep:
        return decode_picture(stream, case.models, case.settings, DEFAULT_LIMITS, observer).planes
    coded: Any = case.coded
    latents: Any = case.latents
    planes: Any = case.planes
    if begin <= STAGES.index("entropy") <= end:
        coded = decode_payloads(stream, case.models, case.settings, DEFAULT_LIMITS, observer)
    elif coded is not None:
        coded = EntropyResult(stream, coded.quality_map, coded.components)
    if begin <= STAGES.index("latent") <= end:
        latents = decode_latents(coded, case.models, case.settings, observer)
    if begin <= STAGES.index("synthesis") <= end:
        planes = _planes(stream, case, latents, observer)
        if last == "synthesis":
            # what synthesis is for belongs to it, although the next stage shows it
            _cut(stream, planes, observer)
    picture = None
    if last == "picture":
        picture = _picture(stream, case, coded, planes, observer).planes
    if keep:
        case.coded, case.latents, case.planes, case.picture = coded, latents, planes, picture
    return picture


def _planes(stream: Codestream, case: Case, latents: Any, observer: Observer | None) -> Any:
    transforms = synthesis_models(stream.picture, case.models, case.settings)
    steps = Steps(stream.picture, None)
    return synthesise_planes(stream.picture, transforms, latents, case.settings, observer, steps)


def _cut(stream: Codestream, planes: Any, observer: Observer | None) -> Any:
    """The planes in the coded chroma format, shown."""
    cut = coded_planes(stream.picture, *planes)
    if observer is not None:
        for name, plane in zip("YUV", cut, strict=True):
            observer("plane", name, None, plane)
    return cut


def _picture(
    stream: Codestream, case: Case, coded: EntropyResult, planes: Any, observer: Observer | None
) -> Picture:
    cut = _cut(stream, planes, observer)
    show: Callable[..., None] = observer or (lambda *_arguments: None)
    if enabled_filters(stream.tools, case.settings):
        channel = stream.tools.LEF_chIdx if stream.tools.LEF_enabled_flag else 0
        log_sigma = np.ascontiguousarray(coded.components[0].log_sigma[channel], np.int32)
        context = FilterContext(stream.picture, stream.tools, log_sigma, case.models, case.settings)
        source = source_planes(stream.picture, cut, engine=case.settings.engine)
        filtered = apply_filters(source, context, observer)
        picture = finish_picture(stream.picture, filtered, engine=case.settings.engine)
    else:
        picture = make_picture(stream.picture, cut, engine=case.settings.engine)
    for name, samples in zip(picture.names, picture.planes, strict=True):
        show("picture", name, None, samples)
    return picture
