"""One stream of a suite made and decoded: its bytes, its trace, its record. Nothing is written here."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.coverage.record import record
from conformance.coverage.report import FILE_FIELD
from conformance.coverage.statements import STATEMENTS
from conformance.generate.build import Context
from conformance.generate.models import SyntheticModels
from conformance.generate.other_models import OtherModels
from conformance.generate.plan import Plan, Refused
from conformance.generate.registry import Item, all_items
from conformance.suite.write import claims, file_facts, header_features, picture_facts, rate
from conformance.verify.outcome import pixel_digest, planar_digest
from refdec import __version__
from refdec.codestream import Codestream, parse
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError, RefdecError
from refdec.filters import filters_available
from refdec.models_io import ModelSet, bundled_models, open_models
from refdec.settings import Settings
from refdec.trace import FORMAT_VERSION, entry_of, header
from refdec.tracing import Stage, model_digests

ENGINE = "golden"
"""What a stream decodes to is what the definition says."""
SYNTHETIC, LITE = "synthetic", "lite"
MODELS_FOLDER, OTHERS_FOLDER = "models", "models-other"
"""Folders of the two synthetic model sets inside the suite."""


class GenerateError(RefdecError):
    """A recipe that does not do what it says: a defect of the recipe or of the decoder."""

    code = "generate"


@dataclass(frozen=True)
class SuiteSpec:
    """What a suite is made of; equal specifications give equal suites.

    :param profile: 0 simple, 1 base, 2 high.
    :param models: ``synthetic``, ``lite``, or the folder of a model set.
    :param statements: records have the ids of the statements that their streams exercise.
    """

    seed: int = 1
    profile: int = 1
    level: int = 52
    models: str = SYNTHETIC
    statements: bool = False


@dataclass(frozen=True)
class Made:
    """One stream, with what belongs into the suite.

    :param entry: its record.
    :param trace: ``None`` for a stream that is refused.
    """

    entry: dict[str, Any]
    stream: bytes
    trace: bytes | None


def context_of(spec: SuiteSpec, others: bool = False) -> Context:
    """What recipes of this suite are made for; with ``others``, those of the second synthetic model set."""
    models = _others(spec.seed) if others else _models(spec.models, spec.seed)
    return Context(spec.seed, spec.profile, spec.level, models)


@functools.lru_cache(maxsize=4)
def _others(seed: int) -> OtherModels:
    return OtherModels(seed)


@functools.lru_cache(maxsize=4)
def _models(models: str, seed: int) -> ModelSet:
    if models == SYNTHETIC:
        return SyntheticModels(seed)
    return bundled_models() if models == LITE else open_models(Path(models))


@functools.lru_cache(maxsize=1)
def _items() -> dict[str, Item]:
    return {item.name: item for item in all_items()}


def make_stream(spec: SuiteSpec, name: str) -> Made:
    """Make one stream: a pure function of its arguments, for any process on any machine.

    :raises GenerateError: the stream does not do what its recipe says.
    """
    item = _items()[name]
    context = context_of(spec, item.recipe.others)
    result = item.make(context)
    try:
        if isinstance(result, Refused):
            made, plan = _refused(spec, context, item, result), result.base.plan
        else:
            made, plan = _decoded(spec, context, item, result), result
        if spec.statements:
            settings = settings_of(plan, made.entry["operating_point"])
            found = record(made.stream, plan.dialect, context.models, settings).points
            made.entry[FILE_FIELD] = sorted(point for group, point in found if group == STATEMENTS)
    except RefdecError as error:
        raise GenerateError(f"{name}: {error}") from error
    return made


def settings_of(plan: Plan, operating_point: str) -> Settings:
    """How the stream of a plan is decoded."""
    return Settings(
        ENGINE, quality_rounding=plan.rounding, channels=plan.keep, operating_point=operating_point
    )


def _decoded(spec: SuiteSpec, context: Context, item: Item, plan: Plan) -> Made:
    data = context.build(plan)
    stream = parse(data, plan.dialect)
    point = plan.decode_at or TRANSFORM_NAMES[stream.picture.synthesis_transform_id[0]].lower()
    settings = settings_of(plan, point)
    digests = _digests(stream, context.models, settings)
    facts = header(
        data,
        digests,
        dialect=plan.dialect.value,
        engine=ENGINE,
        channels=plan.keep,
        quality_rounding=plan.rounding,
        until="picture",
        operating_point=point,
    )
    # What would differ from machine to machine has no place in a suite.
    facts["versions"] = {"refdec": __version__}
    lines: list[object] = [{"refdec_trace": FORMAT_VERSION, **facts, "values": None}]

    def observe(name: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        lines.append(entry_of(name, component, region, tensor)[0])

    picture = decode_picture(stream, context.models, settings, observer=observe)
    trace = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    same_size = len({plane.shape for plane in picture.planes}) == 1
    entry = {
        **_head(spec, item, plan),
        "features": [name for name, there in header_features(stream).items() if there],
        **claims(stream),
        **_decode_facts(spec, item, plan, point),
        **file_facts(item.name, data),
        "rate": rate(stream),
        "models": digests,
        "picture": picture_facts(picture),
        "expect": {
            "planar_sha256": planar_digest(picture.planes),
            **({"pixels_sha256": pixel_digest(picture.planes)} if same_size else {}),
            "trace": f"traces/{item.name}.jsonl",
            "trace_sha256": hashlib.sha256(trace).hexdigest(),
        },
        "recipe": _recipe(spec, item),
    }
    return Made(entry, data, trace)


def _refused(spec: SuiteSpec, context: Context, item: Item, bad: Refused) -> Made:
    error = refusal(context, bad)
    if error is None:
        raise GenerateError("the stream is not refused: it decodes")
    place = ((bad.element, error.element), (bad.bit_offset, error.bit_offset))
    if not isinstance(error, bad.error) or any(s is not None and s != f for s, f in place):
        stated = (bad.error.__name__, bad.element, bad.bit_offset)
        raise GenerateError(f"refused as {type(error).__name__} {error}; the recipe says {stated}")
    plan = bad.base.plan
    good = parse(bad.base.data, plan.dialect)
    point = TRANSFORM_NAMES[good.picture.synthesis_transform_id[0]].lower()
    entry = {
        **_head(spec, item, plan),
        "features": ["malformed"],
        **claims(good),
        **_decode_facts(spec, item, plan, point),
        **file_facts(item.name, bad.data),
        "models": _digests(good, context.models, settings_of(plan, point)),
        "expect": {
            "error": type(error).__name__,
            "element": error.element,
            "bit_offset": error.bit_offset,
        },
        "recipe": _recipe(spec, item),
    }
    return Made(entry, bad.data, None)


def refusal(context: Context, bad: Refused) -> BitstreamError | None:
    """How the reference decoder refuses a stream, ``None`` if it does not."""
    try:
        stream = parse(bad.data, bad.base.plan.dialect)
        point = TRANSFORM_NAMES[stream.picture.synthesis_transform_id[0]].lower()
        decode_picture(stream, context.models, settings_of(bad.base.plan, point))
    except BitstreamError as error:
        return error
    return None


def _digests(stream: Codestream, models: ModelSet, settings: Settings) -> dict[str, str]:
    """Of all models that a decode uses; of a stream that is never filtered, without the filter's networks."""
    there = filters_available(stream.picture, stream.tools, models, settings)
    return model_digests(stream, models, replace(settings, ignore_post_filters=not there), Stage.PICTURE)


def _head(spec: SuiteSpec, item: Item, plan: Plan) -> dict[str, Any]:
    return {"name": item.name, "purpose": item.purpose, "group": item.recipe.group}


def _decode_facts(spec: SuiteSpec, item: Item, plan: Plan, point: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"quality_rounding": plan.rounding, "operating_point": point}
    if plan.keep is not None:
        facts["channels"] = plan.keep
    if spec.models == SYNTHETIC:
        facts["model_set"] = OTHERS_FOLDER if item.recipe.others else MODELS_FOLDER
    return facts


def _recipe(spec: SuiteSpec, item: Item) -> dict[str, Any]:
    return {"name": item.recipe.name, "variant": item.variant, "seed": spec.seed}
