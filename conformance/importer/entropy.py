"""The entropy stage's part of an official checkpoint: hyper scale decoder, gain vector, z distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conformance.importer.checkpoint import Checkpoint
from refdec import entropy
from refdec.codestream import CHANNELS
from refdec.errors import ModelError
from refdec.integer.hyper_scale import ScaleLayer, hyper_scale_decoder_graph
from refdec.integer.model_file import Model
from refdec.models_io import (
    GAIN_LOG_MAX,
    GAIN_LOG_MIN,
    HYPER_SCALE_DECODER,
    Z_SYMBOLS,
    entropy_model,
    kind_of,
)

GAIN_NAMES = ("vr_vec.c", "quantizer.gain_unit.c")
TRAINING_BETAS = 18
MAX_SHIFT = 31


def convert_entropy(checkpoint: Checkpoint, component: int) -> Model:
    """The entropy model of one component from a ``VM_common_int`` checkpoint.

    :raises ModelError: a tensor is absent, of another shape or type, not quantised, or out of range.
    """
    channels = CHANNELS[component]
    gain_log, column = gain_vector_log(checkpoint, channels)
    _require_quantised(checkpoint, "hyper_entropy")
    freqs = checkpoint.expect("hyper_entropy.freqs_int", (channels, Z_SYMBOLS), "int32")
    layers = [
        _scale_layer(checkpoint, name, out, channels, kernel)
        for name, out, kernel in (
            ("conv1", channels, 1),
            ("depthwise", channels, 3),
            ("pointwise", 16 * channels, 1),
        )
    ]
    model = Model(
        kind=kind_of("entropy", component),
        graphs={HYPER_SCALE_DECODER: hyper_scale_decoder_graph(*layers)},
        constants={"gain_log": gain_log, "z_cdf": entropy.engine("golden").z_cdf(freqs)},
        provenance={"source": checkpoint.name, "source_sha256": checkpoint.sha256, "gain_column": column},
    )
    entropy_model(model, component, checkpoint.name)
    return model


def _scale_layer(checkpoint: Checkpoint, name: str, out: int, channels: int, kernel: int) -> ScaleLayer:
    prefix = f"hyper_scale_decoder.{name}"
    _require_quantised(checkpoint, prefix)
    shifts = checkpoint.expect(f"{prefix}.per_channel_shifts", (1, out, 1, 1), "int8")
    if shifts.min() < 0 or shifts.max() > MAX_SHIFT:
        raise ModelError(f"{checkpoint.name}: '{prefix}.per_channel_shifts' leaves 0..{MAX_SHIFT}")
    return ScaleLayer(
        checkpoint.expect(f"{prefix}.weight", (out, channels, kernel, kernel), "int8"),
        checkpoint.expect(f"{prefix}.bias", (out,), "int32"),
        shifts,
    )


def gain_vector_log(checkpoint: Checkpoint, channels: int) -> tuple[npt.NDArray[np.int32], int]:
    """The channel gains in Q7 log units, and the populated column that they come from.

    The tensor has one column for each rate that was trained, and a model file only its own one filled.

    :raises ModelError: no column or several columns are filled, or a gain does not fit.
    """
    vectors = checkpoint.tensor(*GAIN_NAMES)
    if vectors.shape != (channels, TRAINING_BETAS) or vectors.dtype != np.float32:
        raise ModelError(
            f"{checkpoint.name}: the gain vectors are {vectors.dtype}{list(vectors.shape)}, "
            f"expected float32{[channels, TRAINING_BETAS]}"
        )
    if not np.isfinite(vectors).all():
        raise ModelError(f"{checkpoint.name}: a gain is no finite number")
    filled = [int(i) for i in np.flatnonzero(np.any(vectors != 0, axis=0))]
    if len(filled) != 1:
        raise ModelError(
            f"{checkpoint.name}: {len(filled)} gain columns are filled, expected exactly one"
            + (f" (found columns {', '.join(map(str, filled))})" if filled else "")
        )
    scaled = np.rint(vectors[:, filled[0]] * np.float32(128))
    if scaled.max() > GAIN_LOG_MAX:
        raise ModelError(f"{checkpoint.name}: gain {scaled.max()} is above {GAIN_LOG_MAX}")
    return np.maximum(scaled, GAIN_LOG_MIN).astype(np.int32), filled[0]


def _require_quantised(checkpoint: Checkpoint, prefix: str) -> None:
    flag = checkpoint.tensor(f"{prefix}.is_quantized")
    if flag.dtype != np.bool_ or flag.size != 1 or not bool(flag.reshape(-1)[0]):
        raise ModelError(
            f"{checkpoint.name}: '{prefix}.is_quantized' is not true: this is no integer checkpoint "
            "(the folder VM_common holds the float twins, VM_common_int the ones to decode with)"
        )
