"""Which post-filters there are, in which order they run, and what they need (AR-FLT-03)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from refdec.codestream import PictureHeader, ToolHeader
from refdec.filters import efe_linear, efe_nonlinear, eicci, lef
from refdec.filters.planes import FilterContext, FilterPlanes, Planes
from refdec.models_io import ModelSet
from refdec.settings import Observer, Settings


def _all_there(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> bool:
    return True


def _no_digests(
    picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings
) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Filter:
    """A post-filter.

    :param name: for messages; ``point``: its trace point is ``filter.<point>``.
    :param enabled: whether a tool header turns it on.
    :param apply: the filter. :param memory: upper estimate, in bytes, of what it allocates at its peak, its
        result included.
    :param available: whether the model set has the networks that it runs.
    :param digests: of their files, by name.
    """

    name: str
    point: str
    enabled: Callable[[ToolHeader], bool]
    apply: Callable[[FilterPlanes, FilterContext], FilterPlanes]
    memory: Callable[[PictureHeader, ToolHeader, ModelSet, Settings], int]
    available: Callable[[PictureHeader, ToolHeader, ModelSet, Settings], bool] = _all_there
    digests: Callable[[PictureHeader, ToolHeader, ModelSet, Settings], dict[str, str]] = _no_digests


FILTERS: tuple[Filter, ...] = (
    Filter(
        "EFE linear",
        "efe_linear",
        lambda tools: bool(tools.EFE_linear_filter_enabled_flag),
        efe_linear.apply,
        efe_linear.memory,
    ),
    Filter(
        "eICCI",
        "eicci",
        lambda tools: bool(tools.icci_enable_flag),
        eicci.apply,
        eicci.memory,
        eicci.available,
        eicci.digests,
    ),
    Filter(
        "EFE non-linear",
        "efe_nonlinear",
        lambda tools: bool(tools.EFE_nonlinear_filter_enabled_flag),
        efe_nonlinear.apply,
        efe_nonlinear.memory,
    ),
    Filter("LEF", "lef", lambda tools: bool(tools.LEF_enabled_flag), lef.apply, lef.memory),
)


def enabled_filters(tools: ToolHeader, settings: Settings) -> tuple[Filter, ...]:
    """The filters that run, in their order."""
    if settings.ignore_post_filters:
        return ()
    return tuple(item for item in FILTERS if item.enabled(tools))


def post_filters(tools: ToolHeader) -> tuple[str, ...]:
    """Names of the post-filters that a stream turns on, in the order in which they apply."""
    return tuple(item.name for item in FILTERS if item.enabled(tools))


def apply_filters(planes: Planes, context: FilterContext, observer: Observer | None = None) -> Planes:
    """The planes after all filters that the stream turns on.

    :param planes: result of :func:`refdec.picture.source_planes`.
    :raises ModelError: a network is missing or damaged.
    """
    state = FilterPlanes(planes)
    if observer is not None:
        _show(observer, "filter.input", state.planes)
    for item in enabled_filters(context.tools, context.settings):
        before, state = state, item.apply(state, context)  # AR-FLT-03
        if observer is not None:
            if state.alternative is not None and state.alternative is not before.alternative:
                _show(observer, f"filter.{item.point}.alternative", state.alternative)
            _show(observer, f"filter.{item.point}", state.planes)
    return state.planes


def filter_memory(
    picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings
) -> int | None:
    """Upper estimate, in bytes, of what the filters allocate on top of the planes that go in.

    :returns: ``None`` where no filter runs.
    :raises ModelError: a network is missing or damaged.
    """
    found = [item.memory(picture, tools, models, settings) for item in enabled_filters(tools, settings)]
    return max(found, default=None)


def filters_available(
    picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings
) -> bool:
    """Whether the model set has all networks of the filters that run."""
    return all(item.available(picture, tools, models, settings) for item in enabled_filters(tools, settings))


def filter_digests(
    picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings
) -> dict[str, str]:
    """Digest by file name of all networks of the filters that run.

    :raises ModelError: one is missing or damaged.
    """
    found: dict[str, str] = {}
    for item in enabled_filters(tools, settings):
        found |= item.digests(picture, tools, models, settings)
    return found


def _show(observer: Observer, point: str, planes: tuple[object, ...]) -> None:
    for name, plane in zip("YUV"[-len(planes) :], planes, strict=True):
        observer(point, name, None, plane)  # type: ignore[arg-type]
