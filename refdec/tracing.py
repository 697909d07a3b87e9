"""Running a decode for its trace: how far it goes, with which models, and what the header says about it."""

from __future__ import annotations

import enum

from refdec.codestream import Codestream
from refdec.decoder import decode_payloads, decode_picture
from refdec.errors import RefdecError, UnsupportedFeatureError
from refdec.filters import filter_digests, filters_available
from refdec.latent_stage import decode_latents, rectifier_models
from refdec.limits import Limits
from refdec.memory import latent_memory, require_memory
from refdec.models_io import ModelSet
from refdec.operating_point import operating_point
from refdec.settings import Observer, Settings
from refdec.synthesis_stage import require_decodable


class StageError(RefdecError):
    """A stage that does not exist."""

    exit_code = 2
    code = "stage"


class Stage(enum.Enum):
    """Where a trace ends."""

    ENTROPY = "entropy"
    LATENT = "latent"
    PICTURE = "picture"

    def facts(self, stream: Codestream, settings: Settings) -> dict[str, object]:
        """What a trace's header says about its extent."""
        facts: dict[str, object] = {"until": self.value}
        if self is Stage.PICTURE:
            facts["operating_point"] = operating_point(stream.picture, settings)
            facts["ignore_post_filters"] = settings.ignore_post_filters
            facts["eicci_first_tile"] = settings.eicci_first_tile
        return facts


def last_stage(stream: Codestream, models: ModelSet, settings: Settings, name: str | None = None) -> Stage:
    """The stage of that name; without a name, the last one that the model set has all files for and that is
    implemented for all tools of the stream.

    :raises StageError: there is no such stage.
    :raises OperatingPointError: the stream does not list the caller's operating point.
    """
    if name is not None:
        try:
            return Stage(name)
        except ValueError:
            names = ", ".join(stage.value for stage in Stage)
            raise StageError(f"no stage '{name}'; there are {names}") from None
    stages = [Stage.PICTURE, Stage.LATENT]
    try:
        require_decodable(stream, settings)
    except UnsupportedFeatureError:
        # what such a stream's picture lacks comes last; all before it is as good as in any other stream
        stages.remove(Stage.PICTURE)
    for stage in stages:
        kinds = _kinds(stream, settings, stage)
        if stage is Stage.PICTURE and not filters_available(stream.picture, stream.tools, models, settings):
            continue
        if all(models.has(stream.picture.model_id, kind, c) for kind in kinds for c in (0, 1)):
            return stage
    return Stage.ENTROPY


def model_digests(stream: Codestream, models: ModelSet, settings: Settings, stage: Stage) -> dict[str, str]:
    """Digest by file name of the models that a decode up to ``stage`` uses.

    :raises ModelError: one of them is missing or damaged.
    """
    kinds = _kinds(stream, settings, stage)
    digests = models.digests(stream.picture.model_id, kinds, rectifier=settings.rectifier)
    if stage is Stage.PICTURE:
        digests |= filter_digests(stream.picture, stream.tools, models, settings)
    return digests


def trace_stream(
    stream: Codestream,
    models: ModelSet,
    settings: Settings,
    limits: Limits,
    observer: Observer,
    stage: Stage,
) -> None:
    """Decode up to ``stage`` and show every tensor; errors as :func:`refdec.decoder.decode`."""
    if stage is Stage.PICTURE:
        decode_picture(stream, models, settings, limits, observer)
        return
    if stage is Stage.LATENT:
        rectifiers = rectifier_models(stream.picture, models, settings)
        require_memory(latent_memory(stream.picture, settings, rectifiers), limits)
    coded = decode_payloads(stream, models, settings, limits, observer)
    if stage is Stage.LATENT:
        decode_latents(coded, models, settings, observer)


def _kinds(stream: Codestream, settings: Settings, stage: Stage) -> tuple[str, ...]:
    kinds = {
        Stage.ENTROPY: ("entropy",),
        Stage.LATENT: ("entropy", "latent"),
    }
    return kinds.get(stage) or ("entropy", "latent", operating_point(stream.picture, settings))
