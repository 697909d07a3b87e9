"""Scales of one component: what z_hat and the headers say about every residual, before any is read.

Decoder and encoder need the same scales; both take them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec import integer
from refdec.codestream import PictureHeader
from refdec.entropy import EntropyEngine, VarianceScaling
from refdec.models_io import EntropyModel

Int32 = npt.NDArray[np.int32]
Show = Callable[[str, npt.NDArray[np.generic]], None]


@dataclass(frozen=True)
class Scales:
    """Scales of one component, ``[C, lh, lw]`` each, Q7 log units.

    :param log_skip: int32, after gain, displacement and quality map; decides what is coded.
    :param mask: bool, true where a symbol is coded.
    :param likely: int32, rounded mean of ``log_skip`` over its 8x8 block.
    :param scaling: residual variance scaling and channel-wise gain, or ``None`` where both are off.
    :param log: int32, the scale used for coding.
    """

    log_skip: Int32
    mask: npt.NDArray[np.bool_]
    likely: Int32
    scaling: VarianceScaling | None
    log: Int32


def hyper_scale(
    graph: integer.Graph, z_hat: npt.NDArray[np.int8], size: tuple[int, int], engine: str, threads: int
) -> Int32:
    """Run the hyper scale decoder, always on a whole picture whatever its regions are.

    :param z_hat: int8 ``[C, hz, wz]``.
    :param size: picture height and width in luma samples.
    :returns: int32 ``[C, lh, lw]``, 0..3967.
    """
    inputs = {graph.inputs[0].name: z_hat.astype(np.int16)}
    # AR-HSD-01, AR-HSD-02, AN-HSD-01, AN-HSD-02
    outputs = integer.run(graph, inputs, size, engine=engine, threads=threads)
    return outputs[graph.outputs[0]].astype(np.int32)


def component_scales(
    picture: PictureHeader,
    c: int,
    model: EntropyModel,
    z_hat: npt.NDArray[np.int8],
    quality_map: npt.NDArray[np.int8] | None,
    engine: EntropyEngine,
    threads: int = 1,
    show: Show = lambda _point, _tensor: None,
) -> Scales:
    """The scales of component ``c``.

    :raises CodestreamSyntaxError: gain, displacement and quality map add up to more than the syntax can mean.
    """
    raw = hyper_scale(model.graph, z_hat, (picture.height, picture.width), engine.name, threads)
    return scales_of(picture, c, model, raw, quality_map, engine, show)


def scales_of(
    picture: PictureHeader,
    c: int,
    model: EntropyModel,
    raw: Int32,
    quality_map: npt.NDArray[np.int8] | None,
    engine: EntropyEngine,
    show: Show = lambda _point, _tensor: None,
) -> Scales:
    """The same from the hyper scale decoder's output, which does not depend on the rate.

    :param raw: int32 ``[C, lh, lw]``, 0..3967.
    """
    header = picture.components[c]
    show("log_sigma_raw", raw)
    if quality_map is not None:
        show("quality_map", quality_map)
    log_skip = engine.skip_scale_log(raw, model.gain_log, picture.beta_displacement_log[c], quality_map)
    show("log_sigma_skip", log_skip)
    mask = engine.skip_mask(log_skip, header.cube_flags)
    show("skip_mask", mask)
    likely = engine.likely_map(log_skip)
    scaling, log = None, log_skip
    if header.rvs_enable_flag or header.grfs_channel_flags is not None:
        rvs = bool(header.rvs_enable_flag)
        scaling = engine.variance_scaling(likely, picture.model_id, rvs, header.grfs_channel_flags)
        log = log_skip + scaling.log
    show("log_sigma", log)
    return Scales(log_skip, mask, likely, scaling, log)
