"""What decoding a picture will allocate, known from its header before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream import CHANNELS, PictureHeader
from refdec.codestream.geometry import hyper_size, latent_size, psi_size, synthesis_tiles
from refdec.errors import ResourceLimitError
from refdec.integer import Graph
from refdec.limits import Limits
from refdec.networks import RectifierModel, SynthesisModel
from refdec.settings import Settings

# Bytes per latent element at the entropy stage's peak. Kept to its end for both components: log-sigma,
# residual and dequantised residual (int32 each), two uint8 maps. While a component runs, on top of that:
# its raw and skip scale logs, likely map, three tensors of the residual variance scaling and a 64-bit
# intermediate of the integer engines.
_KEPT = 3 * 4 + 2
_WORKING = 6 * 4 + 2 * 8
# Bytes per hyper-latent element: z_hat, and the activations of the hyper scale decoder's narrow layers.
_HYPER = 24
# The latent stage, per latent element: z_hat, residual and segments of both components stay, then psi (one
# element each, since it has four times the channels on a quarter of the positions), the residual's phases,
# the latent, and the activations of hyper-decoder and context model, at most four times the channels on a
# quarter of the positions each.
_LATENT_JIT = 2 * 12
_LATENT_GOLDEN = 8 * 14
# The picture, per displayed luma sample: three planes of 16 bits before and of up to 16 bits after, and
# what the golden engine spends on them.
_PICTURE_JIT = 3 * 2 * 2
_PICTURE_GOLDEN = 3 * 2 * 2 + 10 * 8
# The same three planes as post-filters take them; the first and the current ones stay while a filter runs.
_FILTERED = 3 * 4
# The golden engine's weights of one layer, widened to 64 bits, and their transpose.
_GOLDEN_WEIGHTS = 24 << 20
# Per thread: what the fast engine keeps of a synthesis while it runs through the picture row by row.
_ROWS = 7
_ARENA = 6 << 20


def entropy_memory(picture: PictureHeader, engine: str = "jit") -> int:
    """Upper estimate, in bytes, of what the entropy stage of this picture allocates."""
    lh, lw = latent_size(picture.height, picture.width)
    hz, wz = hyper_size(picture.height, picture.width)
    # The hyper scale decoder works on whole 4x4 blocks, before the crop to the latent size.
    blocks = max(lh * lw, 16 * hz * wz)
    kept = sum(CHANNELS) * blocks * _KEPT
    working = max(CHANNELS) * (blocks * _WORKING + hz * wz * _HYPER)
    # The golden engine computes in 64 bits and keeps its symbols in lists.
    return kept + working * (2 if engine == "golden" else 1)


def graph_memory(
    graph: Graph, sizes: dict[str, tuple[int, int]], size: tuple[int, int], settings: Settings, observed: bool
) -> int:
    """Upper estimate, in bytes, of what running a graph allocates, inputs and outputs included.

    :param sizes: rows and columns of every input; ``size``: the picture or tile in luma samples.
    :param observed: every node's output is shown, and therefore exists in full.
    """
    shapes = graph.shapes(sizes, size)
    elements = {name: c * h * w for name, (c, h, w) in shapes.items()}
    ends = sum(elements[item.name] for item in graph.inputs) + sum(elements[name] for name in graph.outputs)
    if settings.engine == "golden":
        # operands padded, cut out for one kernel tap, and in 64 bits; accumulator, product, rounded result
        step = max(
            3 * sum(elements[i] for i in node.inputs) + 4 * elements[node.name] for node in graph.nodes
        )
        return 8 * (_peak(graph, elements) + step) + 2 * ends + _GOLDEN_WEIGHTS
    rows = sum(2 * c * w for c, _, w in shapes.values())
    arenas = settings.threads * (_ARENA + _ROWS * rows)
    if observed:
        return 2 * sum(elements.values()) + arenas
    # rows begin and end with the zeros that a convolution sees outside
    return 2 * (ends + _kept(graph, elements) * 5 // 4) + arenas


def _kept(graph: Graph, elements: dict[str, int]) -> int:
    """Most elements that exist in full at the same time although everything runs row by row: an attention
    has seen all rows before its first result, so whatever it and later nodes read again is kept."""
    level = {item.name: 0 for item in graph.inputs}
    last: dict[str, int] = {}
    for node in graph.nodes:
        level[node.name] = max(level[i] for i in node.inputs) + (node.op == "channel_attention")
        for source in node.inputs:
            last[source] = max(last.get(source, 0), level[node.name])
    spans = {name: (level[name], last[name]) for name in last if last[name] > level[name]}
    sums = [
        sum(elements[name] for name, (first, end) in spans.items() if first <= k <= end)
        for k in range(1 + max(level.values()))
    ]
    return max(sums)


def _peak(graph: Graph, elements: dict[str, int]) -> int:
    """Most elements that are needed at the same time when nodes run one after the other."""
    last = {source: index for index, node in enumerate(graph.nodes) for source in node.inputs}
    last |= dict.fromkeys(graph.outputs, len(graph.nodes))
    live = {item.name for item in graph.inputs}
    peak = 0
    for index, node in enumerate(graph.nodes):
        live.add(node.name)
        peak = max(peak, sum(elements[name] for name in live))
        live = {name for name in live if last.get(name, -1) > index}
    return peak


def latent_memory(
    picture: PictureHeader, settings: Settings, rectifiers: Sequence[RectifierModel | None] = ()
) -> int:
    """Upper estimate, in bytes, of what decoding to the latents allocates: its larger stage.

    :param rectifiers: those that run.
    """
    ph, pw = psi_size(picture.height, picture.width)
    # psi and the phases round an odd latent up
    positions = 4 * ph * pw
    kept = sum(CHANNELS) * positions * _KEPT
    working = _LATENT_GOLDEN if settings.engine == "golden" else _LATENT_JIT
    size, grid = (picture.height, picture.width), latent_size(picture.height, picture.width)
    rectifying = [
        graph_memory(model.graph, {"y_hat": grid}, size, settings, False) for model in rectifiers if model
    ]
    # by then psi and the phases are gone, and the other component's latent may be there
    last = max(rectifying, default=0) + 2 * sum(CHANNELS) * positions
    largest = max(max(CHANNELS) * positions * working, last)
    return max(entropy_memory(picture, settings.engine), kept + largest)


def picture_memory(
    picture: PictureHeader,
    transforms: Sequence[SynthesisModel],
    settings: Settings,
    observed: bool = False,
    filters: int | None = None,
    rectifiers: Sequence[RectifierModel | None] = (),
) -> int:
    """Upper estimate, in bytes, of what decoding to the picture allocates: its largest stage.

    :param transforms: the synthesis models, luma and chroma.
    :param observed: a trace is being made.
    :param filters: what post-filters allocate (:func:`refdec.filters.filter_memory`), ``None`` without any.
    :param rectifiers: those that run.
    """
    lh, lw = latent_size(picture.height, picture.width)
    latents = 2 * sum(CHANNELS) * lh * lw
    planes = 2 * 3 * picture.height * picture.width
    kinds = {(tile.latent[2:], tile.picture[2:]) for tile in synthesis_tiles(picture)}
    tiles = max(
        graph_memory(
            t.graph, dict.fromkeys(t.inputs, (grid[0], grid[1])), (size[0], size[1]), settings, observed
        )
        for grid, size in kinds
        for t in transforms
    )
    # after the last tile the tiles' memory is free, and the display planes and the samples appear
    pixels = picture.height * picture.width
    samples = pixels * (_PICTURE_GOLDEN if settings.engine == "golden" else _PICTURE_JIT)
    if filters is not None:
        samples += 2 * _FILTERED * pixels + filters
    return max(
        entropy_memory(picture, settings.engine),
        latent_memory(picture, settings, rectifiers),
        latents + planes + tiles,
        planes + samples,
    )


def require_memory(needed: int, limits: Limits) -> None:
    """:raises ResourceLimitError: ``needed`` bytes are more than the caller allows."""
    if needed > limits.max_memory_bytes:
        raise ResourceLimitError(
            "decoding this picture would need more memory than allowed",
            element="PIH",
            expected=f"at most {limits.max_memory_bytes} bytes",
            found=f"about {needed} bytes",
        )
