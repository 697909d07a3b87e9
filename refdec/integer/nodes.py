"""The node set of the integer graphs: every operation, its attributes, tensors and shape rule.

This table is the only place that says which operations exist. The engines (golden, jit, twin), the
proof and the model file take names, roles, defaults and shapes from here and share nothing else.
``docs/arithmetic-networks.md`` has the normative text; this is its summary.

An activation is an int16 tensor ``[C, H, W]`` with values in [-32767, 32767]. ``round(v, s)`` is
``(v + (1 << (s - 1))) >> s`` for ``half_up`` (``v`` when ``s`` is 0) and ``v >> s`` for ``floor``;
``>>`` is the arithmetic shift. ``clip`` is to the per-channel range ``lo..hi`` of the node.

=================  =========================  ==========================================================
op                 attributes                 meaning, with tensors ``role: dtype[shape]``
=================  =========================  ==========================================================
conv               groups, stride (1 or 2),   weight: int8|int16 [out, in/groups, kh, kw], bias: int32 [out],
                   pad [top, left, bottom,    shift: uint8 [out]. Correlation with zero padding.
                   right], rounding, leaky    ``acc = bias + sum(w * a)``; leaky: where ``acc < 0``,
                                              ``acc = (acc * numerator) >> shift`` (64-bit product);
                                              ``out = clip(round(acc, shift[c]))``.
transposed_conv    rounding, leaky            weight: int8|int16 [in, out, k, k], k 3 or 4; bias, shift and
                                              epilogue as conv. Stride 2, padding 1, n -> 2n: at
                                              ``[o, 2y-1+ky, 2x-1+kx]`` add ``w[i, o, ky, kx] a[i, y, x]``.
clip               -                          ``clip(a)``: ReLU and ReLU6.
abs                -                          ``clip(|a|)``.
add                rounding                   shift_a, shift_b, shift: uint8 [C].
                                              ``clip(round((a << shift_a) + (b << shift_b), shift))``.
mul                rounding                   shift: uint8 [C]. ``clip(round(a * b, shift))``.
lut                -                          table: int16 [65536]. ``clip(table[a + 32768])``.
pixel_shuffle      factor r                   ``out[c, r y + dy, r x + dx] = a[c r r + dy r + dx, y, x]``.
crop               divisor d                  first ``ceil(h / d)`` rows, ``ceil(w / d)`` columns; ``(h, w)``
                                              is the luma size given to ``run``.
concat             -                          channels of all inputs in order.
slice              start, stop                channels ``start .. stop - 1``.
layer_norm         epsilon (integer)          weight: int16 [C], bias: int32 [C], shift: uint8 [C]; see below.
channel_attention  heads                      temperature: int32 [heads], shift: uint8 [C]; input 3C channels
                                              (q, k, v); see below.
=================  =========================  ==========================================================

``clip``, ``abs`` ... every operation that computes a new value carries ``lo`` and ``hi`` (an int or one
per channel). ``pixel_shuffle``, ``crop``, ``concat`` and ``slice`` move values and carry none.

``layer_norm`` (all channels of the input must have one common scale 2^f): per position
``S = sum v``, ``T = C * sum v^2 - S^2 + epsilon`` with ``epsilon = max(1, nearest(C^2 * 1e-5 * 4^f))``,
``j`` the integer with ``2^46 <= T * 4^j < 2^48``, ``R = isqrt(T * 4^j)``, ``I = floor(2^47 / R)``;
``n = (((C * v - S) << j) * I + 2^32) >> 33`` (the normalised value with 14 fraction bits);
``out = clip(round_half_up(n * weight + bias, shift))``, shift 0..47, 64-bit product.
So ``bias`` has 14 fraction bits more than ``weight``. C <= 512.

``channel_attention``: channel ``i`` of head ``h`` has the rows q_i, k_i, v_i over all N = H * W positions,
at most 2^23. ``G_ij = sum q_i k_j``, ``A_i = sum q_i^2``, ``B_j = sum k_j^2``. For a sum ``A > 0``, ``e(A)``
is the integer with ``2^50 <= A * 4^e < 2^52``; ``norm(A) = isqrt(A * 4^e)`` (of the floor where ``e < 0``).
``g = floor(G_ij * 2^(e(A_i) + e(B_j)))``, ``u = floor(g / norm(A_i))``, and with 24 fraction bits the cosine
is ``r = floor((u * 2^24 + (norm(B_j) >> 1)) / norm(B_j))``, or 0 if A_i or B_j is 0.
``L_ij = r * temperature[h]``; ``temperature = nearest(2^16 * log2(e) * t)``, magnitude at most 2^24.
``d = (max_j L_ij - L_ij + 2^23) >> 24``, ``E = (HIGH[(d >> 8) & 255] * LOW[d & 255] >> 26) >> (d >> 16)``
(0 where ``d >> 16`` is above 26; tables in :mod:`refdec.integer.exp2`), ``Z = sum_j E``,
``P_ij = min(32767, floor((E * 2^15 + (Z >> 1)) / Z))``, ``acc_i = sum_j P_ij v_j`` (int32), and
``out = clip(round_half_up(acc_i, shift[i]))``. The v channels of one head must have a common scale; the
output has that scale and ``15 - shift`` more fraction bits. q and k may have any scale per channel: it
cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.errors import ModelError, ResourceLimitError

IntArray = npt.NDArray[np.integer[Any]]

ACTIVATION_MAX = 32767
WEIGHT_MAX = 32767
INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)
FLOAT64_EXACT = 1 << 53
MAX_CHANNELS = 8192
MAX_KERNEL = 15
MAX_POSITIONS = 1 << 23
LAYER_NORM_MAX_CHANNELS = 512
ATTENTION_MAX_HEAD_CHANNELS = 1024
TEMPERATURE_MAX = 1 << 24
ROUNDINGS = ("half_up", "floor")


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What a node of one operation may and must carry.

    :param arity: number of inputs; ``None`` for one or more.
    :param attributes: attribute name to default; ``REQUIRED`` where there is none.
    :param tensors: role to the accepted dtypes.
    :param clips: whether the node computes new values and so carries ``lo`` and ``hi``.
    """

    arity: int | None
    attributes: Mapping[str, Any]
    tensors: Mapping[str, tuple[str, ...]]
    clips: bool


REQUIRED = object()
_WEIGHT = ("int8", "int16")
_EPILOGUE = {"bias": ("int32",), "shift": ("uint8",)}

OPS: Mapping[str, OpSpec] = MappingProxyType(
    {
        "conv": OpSpec(
            1,
            {"groups": 1, "stride": 1, "pad": (0, 0, 0, 0), "rounding": "half_up", "leaky": None},
            {"weight": _WEIGHT, **_EPILOGUE},
            True,
        ),
        "transposed_conv": OpSpec(
            1, {"rounding": "half_up", "leaky": None}, {"weight": _WEIGHT, **_EPILOGUE}, True
        ),
        "clip": OpSpec(1, {}, {}, True),
        "abs": OpSpec(1, {}, {}, True),
        "add": OpSpec(
            2,
            {"rounding": "half_up"},
            {"shift_a": ("uint8",), "shift_b": ("uint8",), "shift": ("uint8",)},
            True,
        ),
        "mul": OpSpec(2, {"rounding": "half_up"}, {"shift": ("uint8",)}, True),
        "lut": OpSpec(1, {}, {"table": ("int16",)}, True),
        "pixel_shuffle": OpSpec(1, {"factor": REQUIRED}, {}, False),
        "crop": OpSpec(1, {"divisor": REQUIRED}, {}, False),
        "concat": OpSpec(None, {}, {}, False),
        "slice": OpSpec(1, {"start": REQUIRED, "stop": REQUIRED}, {}, False),
        "layer_norm": OpSpec(1, {"epsilon": REQUIRED}, {"weight": ("int16",), **_EPILOGUE}, True),
        "channel_attention": OpSpec(
            1, {"heads": REQUIRED}, {"temperature": ("int32",), "shift": ("uint8",)}, True
        ),
    }
)


def _fail(name: str, what: str) -> ModelError:
    return ModelError(f"node '{name}': {what}")


def _integer(name: str, key: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise _fail(name, f"{key} must be an integer in {low}..{high}, found {value!r}")
    return int(value)


def normalise_attributes(name: str, op: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with every default filled in and every value checked.

    :raises ModelError: unknown, missing or out-of-range attribute.
    """
    spec = OPS[op]
    unknown = sorted(set(given) - set(spec.attributes))
    if unknown:
        raise _fail(name, f"{op} has no attribute {', '.join(map(repr, unknown))}")
    out: dict[str, Any] = {}
    for key, default in spec.attributes.items():
        value = given.get(key, default)
        if value is REQUIRED:
            raise _fail(name, f"{op} needs the attribute {key}")
        out[key] = _ATTRIBUTE_CHECKS[key](name, value)
    if op == "slice" and out["stop"] <= out["start"]:
        raise _fail(name, f"slice {out['start']}..{out['stop']} is empty")
    return out


def _check_pad(name: str, value: Any) -> tuple[int, int, int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise _fail(name, f"pad must be [top, left, bottom, right], found {value!r}")
    top, left, bottom, right = (_integer(name, "pad", v, 0, MAX_KERNEL - 1) for v in value)
    return top, left, bottom, right


def _check_rounding(name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in ROUNDINGS:
        raise _fail(name, f"rounding must be one of {', '.join(ROUNDINGS)}, found {value!r}")
    return value


def _check_leaky(name: str, value: Any) -> Mapping[str, int] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"numerator", "shift"}:
        raise _fail(name, f"leaky must have exactly numerator and shift, found {value!r}")
    shift = _integer(name, "leaky shift", value["shift"], 0, 30)
    # A slope above 1 could leave the proved range of the accumulator.
    numerator = _integer(name, "leaky numerator", value["numerator"], 0, min(1 << shift, 32767))
    return MappingProxyType({"numerator": numerator, "shift": shift})


_ATTRIBUTE_CHECKS: Mapping[str, Any] = {
    "groups": lambda name, v: _integer(name, "groups", v, 1, MAX_CHANNELS),
    "stride": lambda name, v: _integer(name, "stride", v, 1, 2),
    "pad": _check_pad,
    "rounding": _check_rounding,
    "leaky": _check_leaky,
    "factor": lambda name, v: _integer(name, "factor", v, 1, 64),
    "divisor": lambda name, v: _integer(name, "divisor", v, 1, 1024),
    "start": lambda name, v: _integer(name, "start", v, 0, MAX_CHANNELS),
    "stop": lambda name, v: _integer(name, "stop", v, 0, MAX_CHANNELS),
    "epsilon": lambda name, v: _integer(name, "epsilon", v, 1, 1 << 46),
    "heads": lambda name, v: _integer(name, "heads", v, 1, 256),
}


def _expect_shape(name: str, role: str, tensor: IntArray, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise _fail(name, f"tensor {role} has shape {list(tensor.shape)}, expected {list(shape)}")


def _expect_range(name: str, role: str, tensor: IntArray, low: int, high: int) -> None:
    if tensor.size and (int(tensor.min()) < low or int(tensor.max()) > high):
        raise _fail(
            name, f"tensor {role} has values {tensor.min()}..{tensor.max()}, allowed is {low}..{high}"
        )


def check_tensors(name: str, op: str, tensors: Mapping[str, IntArray]) -> None:
    """Roles, dtypes and the values that no later check looks at (shapes: :func:`output_channels`).

    :raises ModelError: a role is missing, unknown, or has a wrong dtype or value.
    """
    spec = OPS[op]
    if set(tensors) != set(spec.tensors):
        raise _fail(name, f"{op} needs the tensors {sorted(spec.tensors)}, found {sorted(tensors)}")
    for role, dtypes in spec.tensors.items():
        if tensors[role].dtype.name not in dtypes:
            raise _fail(name, f"tensor {role} is {tensors[role].dtype}, expected {' or '.join(dtypes)}")
    if "weight" in tensors:
        _expect_range(name, "weight", tensors["weight"], -WEIGHT_MAX, WEIGHT_MAX)
    if "shift" in tensors:
        _expect_range(name, "shift", tensors["shift"], 0, 47 if op == "layer_norm" else 31)
    for role in ("shift_a", "shift_b"):
        if role in tensors:
            _expect_range(name, role, tensors[role], 0, 15)
    if "temperature" in tensors:
        _expect_range(name, "temperature", tensors["temperature"], -TEMPERATURE_MAX, TEMPERATURE_MAX)


def output_channels(
    name: str,
    op: str,
    channels: Sequence[int],
    attributes: Mapping[str, Any],
    tensors: Mapping[str, IntArray],
) -> int:
    """Channels that a node makes from inputs of ``channels``; checks the shape of every tensor.

    :raises ModelError: the tensors do not fit the inputs or each other.
    """
    c = channels[0]
    if op == "conv":
        weight, groups = tensors["weight"], attributes["groups"]
        if weight.ndim != 4 or not all(1 <= k <= MAX_KERNEL for k in weight.shape[2:]):
            raise _fail(name, f"weight of conv has shape {list(weight.shape)}")
        out = weight.shape[0]
        if out < 1 or c % groups or out % groups or weight.shape[1] != c // groups:
            raise _fail(name, f"weight {list(weight.shape)} does not fit {c} channels in {groups} groups")
        _expect_shape(name, "bias", tensors["bias"], (out,))
        _expect_shape(name, "shift", tensors["shift"], (out,))
    elif op == "transposed_conv":
        weight = tensors["weight"]
        if weight.ndim != 4 or weight.shape[2:] not in ((3, 3), (4, 4)):
            raise _fail(name, f"weight of transposed_conv has shape {list(weight.shape)}")
        out = weight.shape[1]
        if out < 1 or weight.shape[0] != c:
            raise _fail(name, f"weight {list(weight.shape)} does not fit {c} channels")
        _expect_shape(name, "bias", tensors["bias"], (out,))
        _expect_shape(name, "shift", tensors["shift"], (out,))
    elif op in ("add", "mul"):
        if channels[1] != c:
            raise _fail(name, f"{op} of {c} and {channels[1]} channels")
        for role, tensor in tensors.items():
            _expect_shape(name, role, tensor, (c,))
        out = c
    elif op == "lut":
        _expect_shape(name, "table", tensors["table"], (65536,))
        out = c
    elif op == "pixel_shuffle":
        square = attributes["factor"] ** 2
        if c % square:
            raise _fail(name, f"pixel_shuffle by {attributes['factor']} of {c} channels")
        out = c // square
    elif op == "concat":
        out = sum(channels)
    elif op == "slice":
        if attributes["stop"] > c:
            raise _fail(name, f"slice up to {attributes['stop']} of {c} channels")
        out = attributes["stop"] - attributes["start"]
    elif op == "layer_norm":
        if c > LAYER_NORM_MAX_CHANNELS:
            raise _fail(name, f"layer_norm over {c} channels, at most {LAYER_NORM_MAX_CHANNELS}")
        for role, tensor in tensors.items():
            _expect_shape(name, role, tensor, (c,))
        out = c
    elif op == "channel_attention":
        heads = attributes["heads"]
        if c % (3 * heads) or c // (3 * heads) > ATTENTION_MAX_HEAD_CHANNELS:
            raise _fail(name, f"channel_attention with {heads} heads over {c} channels")
        out = c // 3
        _expect_shape(name, "temperature", tensors["temperature"], (heads,))
        _expect_shape(name, "shift", tensors["shift"], (out,))
    else:  # clip, abs, crop
        out = c
    if out > MAX_CHANNELS:
        raise _fail(name, f"{out} channels, at most {MAX_CHANNELS}")
    return int(out)


def output_size(
    name: str,
    op: str,
    sizes: Sequence[tuple[int, int]],
    attributes: Mapping[str, Any],
    tensors: Mapping[str, IntArray],
    luma_size: tuple[int, int],
) -> tuple[int, int]:
    """Rows and columns of a node's output for inputs of ``sizes``.

    :param luma_size: rows and columns of the picture or tile in luma samples, for ``crop``.
    :raises ModelError: the graph cannot run at this size.
    :raises ResourceLimitError: more positions than an exact definition allows.
    """
    h, w = sizes[0]
    if any(s != (h, w) for s in sizes[1:]):
        raise _fail(name, f"inputs of different sizes {', '.join(f'{a}x{b}' for a, b in sizes)}")
    if op == "conv":
        top, left, bottom, right = attributes["pad"]
        kh, kw = tensors["weight"].shape[2:]
        rows, columns = h + top + bottom - kh, w + left + right - kw
        if rows < 0 or columns < 0:
            raise _fail(name, f"a {kh}x{kw} kernel does not fit a padded map of {h}x{w}")
        stride = attributes["stride"]
        return rows // stride + 1, columns // stride + 1
    if op == "transposed_conv":
        return 2 * h, 2 * w
    if op == "pixel_shuffle":
        return h * attributes["factor"], w * attributes["factor"]
    if op == "crop":
        divisor = attributes["divisor"]
        rows, columns = -(-luma_size[0] // divisor), -(-luma_size[1] // divisor)
        if rows > h or columns > w:
            raise _fail(name, f"crop to {rows}x{columns} of a map of {h}x{w}")
        return rows, columns
    if op == "channel_attention" and h * w > MAX_POSITIONS:
        raise ResourceLimitError(
            "attention over too many positions to stay exact",
            element=name,
            expected=f"at most {MAX_POSITIONS}",
            found=str(h * w),
        )
    return h, w
