"""Mistakes in the integer networks: rounding, sums, convolutions, everything that a node does."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_WHOLE = ("entropy", "synthesis")
_AFTER = ("latent", "synthesis")
_EACH = Module("refdec.integer.golden.elementwise", "networks", _WHOLE)
_CONV = Module("refdec.integer.golden.convolution", "networks", _WHOLE)
_UP = Module("refdec.integer.golden.convolution", "networks", _AFTER)
_NODES = Module("refdec.integer.golden", "networks", _WHOLE)

_HALF = "values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)), values)"
_SHIFT = "    watch.rounded(values)\n    return values >> s\n"
_CLIP = "return np.minimum(np.maximum(values, low), high)"
_PLUS = "            acc += _mix(weight[:, :, ky, kx], padded[:, rows, columns], groups)\n"
_CONV_WEIGHT = '    weight = node.tensors["weight"].astype(np.int64)\n    top, left'
_LEAKY = '(values * leaky["numerator"]) >> leaky["shift"]'

_ROUNDING = (
    _EACH("shift-floored", "Sums are shifted without the rounding term.", "rounding", _HALF + "\n", ""),
    _EACH(
        "shift-halves-down",
        "A sum half-way between two integers is rounded down.",
        "rounding",
        _HALF,
        "values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)) - 1, values)",
    ),
    _EACH(
        "shift-halves-to-even",
        "A sum half-way between two integers is rounded to the even one.",
        "rounding",
        _HALF,
        "even = (values >> s) & 1\n"
        "    values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)) - 1 + even, values)",
    ),
    _EACH(
        "shift-halves-away-from-0",
        "A sum half-way between two integers is rounded away from 0.",
        "rounding",
        _HALF,
        "values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)) - (values < 0), values)",
    ),
    _EACH(
        "shift-truncated",
        "Sums are rounded towards 0.",
        "rounding",
        _HALF,
        "values = values + np.where(values < 0, (np.int64(1) << s) - 1, 0)",
    ),
    _EACH(
        "shift-0-with-rounding",
        "The rounding term is added where nothing is shifted.",
        "rounding, off by one",
        _HALF,
        "values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)), values + 1)",
    ),
    _EACH(
        "shift-one-bit-too-far",
        "Sums are shifted one bit too far.",
        "off by one",
        _SHIFT,
        "    return values >> s + 1\n",
    ),
    _EACH(
        "shift-of-the-first-channel",
        "All channels of a layer are shifted by what the first one is.",
        "order",
        "s = per_channel(shift)",
        "s = per_channel(shift) if rounding == 'floor' else per_channel(shift)[:1]",
    ),
    _EACH(
        "leaky-slope-rounded",
        "The slope below 0 is applied with rounding to nearest.",
        "rounding",
        _LEAKY,
        '(values * leaky["numerator"] + (1 << leaky["shift"] >> 1)) >> leaky["shift"]',
    ),
    _EACH(
        "leaky-slope-truncated",
        "The slope below 0 is applied with rounding towards 0.",
        "rounding",
        _LEAKY,
        '-((-values * leaky["numerator"]) >> leaky["shift"])',
    ),
    _EACH(
        "leaky-slope-left-out",
        "Negative values of a leaky activation become 0.",
        "ignored",
        _LEAKY,
        "0",
    ),
)

_CLIPS = (
    _EACH(
        "clip-upper-bound-one-low",
        "The upper bound of every clip is one too low.",
        "clip, off by one",
        _CLIP,
        "return np.minimum(np.maximum(values, low), high - 1)",
    ),
    _EACH(
        "clip-upper-bound-one-high",
        "The upper bound of every clip is one too high.",
        "clip, off by one",
        _CLIP,
        "return np.minimum(np.maximum(values, low), high + 1)",
    ),
    _EACH(
        "clip-lower-bound-one-high",
        "The lower bound of every clip is one too high.",
        "clip, off by one",
        _CLIP,
        "return np.minimum(np.maximum(values, low + 1), high)",
    ),
    _EACH(
        "clip-lower-bound-one-low",
        "The lower bound of every clip is one too low.",
        "clip, off by one",
        _CLIP,
        "return np.minimum(np.maximum(values, low - 1), high)",
    ),
    _EACH(
        "clip-left-out-above",
        "Values are not clipped above.",
        "clip",
        _CLIP,
        "return np.maximum(values, low)",
    ),
    _EACH(
        "clip-left-out-below",
        "Values are not clipped below.",
        "clip",
        _CLIP,
        "return np.minimum(values, high)",
    ),
    _EACH(
        "clip-wraps",
        "Values beyond 16 bits wrap around where they should be clipped.",
        "clip, width",
        _CLIP,
        "values = (values + 32768) % 65536 - 32768\n    return np.minimum(np.maximum(values, low), high)",
    ),
    _EACH(
        "clip-before-the-shift",
        "A sum is clipped to 24 bits before it is shifted.",
        "clip, width",
        "    watch.complete(values)\n",
        "    watch.complete(values)\n    values = np.clip(values, -(1 << 23), (1 << 23) - 1)\n",
    ),
    _EACH(
        "clip-to-the-first-channel",
        "All channels are clipped to the bounds of the first.",
        "clip, order",
        _CLIP,
        "return np.minimum(np.maximum(values, low[:1]), high[:1])",
    ),
)

_WIDTHS = (
    _CONV(
        "sum-in-16-bits",
        "The sums of a convolution wrap around at 16 bits.",
        "width",
        _PLUS,
        _PLUS + "            acc = acc.astype(np.int16).astype(np.int64)\n",
    ),
    _CONV(
        "sum-saturates-at-16-bits",
        "The sums of a convolution saturate at 16 bits.",
        "width",
        _PLUS,
        _PLUS + "            acc = np.clip(acc, -32768, 32767)\n",
    ),
    _CONV(
        "sum-in-24-bits",
        "The sums of a convolution wrap around at 24 bits.",
        "width",
        _PLUS,
        _PLUS + "            acc = (acc + (1 << 23)) % (1 << 24) - (1 << 23)\n",
    ),
    _CONV(
        "sum-in-float32",
        "The sums of a convolution are kept in 24 bits of mantissa.",
        "width, networks 13.1, networks 13.17",
        _PLUS,
        _PLUS + "            acc = acc.astype(np.float32).astype(np.int64)\n",
    ),
    _CONV(
        "sum-in-float16-products",
        "Weights are kept in 11 bits of mantissa.",
        "width, networks 13.1",
        _CONV_WEIGHT,
        _CONV_WEIGHT.replace("astype(np.int64)\n", "astype(np.float16).astype(np.int64)\n"),
    ),
    _CONV(
        "sum-in-tf32",
        "Activations are kept in 11 bits of mantissa, as TF32 does.",
        "width, networks 13.1",
        "    padded = np.pad(a,",
        "    low = np.maximum(np.int64(np.frexp(np.maximum(np.abs(a), 1))[1]) - 11, 0)\n"
        "    a = (a >> low) << low\n"
        "    padded = np.pad(a,",
    ),
    _CONV(
        "weights-in-8-bits",
        "Weights are saturated to 8 bits.",
        "width",
        _CONV_WEIGHT,
        _CONV_WEIGHT.replace("astype(np.int64)\n", "astype(np.int64).clip(-128, 127)\n"),
    ),
    _CONV(
        "weights-unsigned",
        "The sign bit of an 8-bit weight counts as 128.",
        "width, sign",
        _CONV_WEIGHT,
        _CONV_WEIGHT.replace(
            "astype(np.int64)\n",
            "astype(np.int64)\n"
            '    weight = weight % 256 if node.tensors["weight"].dtype == np.int8 else weight\n',
        ),
    ),
    _CONV(
        "bias-left-out",
        "A convolution has no bias.",
        "ignored",
        'acc = np.broadcast_to(per_channel(node.tensors["bias"]), (len(weight), h, w)).copy()',
        "acc = np.zeros((len(weight), h, w), np.int64)",
    ),
    _CONV(
        "bias-in-16-bits",
        "The bias of a convolution is kept in 16 bits.",
        "width",
        'acc = np.broadcast_to(per_channel(node.tensors["bias"]), (len(weight), h, w)).copy()',
        'acc = np.broadcast_to(per_channel(node.tensors["bias"].astype(np.int16)), (len(weight), '
        "h, w)).copy()",
    ),
    _CONV(
        "bias-after-the-shift",
        "The bias of a convolution is added after the shift, rounded down.",
        "order",
        'acc = np.broadcast_to(per_channel(node.tensors["bias"]), (len(weight), h, w)).copy()',
        "acc = np.zeros((len(weight), h, w), np.int64)\n"
        '    shift = per_channel(node.tensors["shift"])\n'
        '    acc += per_channel(node.tensors["bias"]) >> shift << shift',
    ),
)

_SHAPES = (
    _CONV(
        "kernel-flipped",
        "A convolution mirrors its kernel.",
        "order",
        _CONV_WEIGHT,
        _CONV_WEIGHT.replace("astype(np.int64)\n", "astype(np.int64)[:, :, ::-1, ::-1]\n"),
    ),
    _CONV(
        "kernel-transposed",
        "Rows and columns of every kernel are exchanged.",
        "order",
        _CONV_WEIGHT,
        _CONV_WEIGHT.replace("astype(np.int64)\n", "astype(np.int64).swapaxes(2, 3)\n"),
    ),
    _CONV(
        "padding-replicates",
        "The border of a convolution's input is repeated outwards.",
        "padding",
        "padded = np.pad(a, ((0, 0), (top, bottom), (left, right)))",
        'padded = np.pad(a, ((0, 0), (top, bottom), (left, right)), mode="edge")',
    ),
    _CONV(
        "padding-reflects",
        "The input of a convolution is mirrored at its border.",
        "padding",
        "padded = np.pad(a, ((0, 0), (top, bottom), (left, right)))",
        'padded = np.pad(a, ((0, 0), (top, bottom), (left, right)), mode="symmetric")',
    ),
    _CONV(
        "padding-one-up-and-left",
        "A convolution's window lies one sample too far up and left at its edge: "
        "the padding below and right goes above and left.",
        "padding, networks 13.6",
        "padded = np.pad(a, ((0, 0), (top, bottom), (left, right)))",
        "padded = np.pad(a, ((0, 0), (bottom, top), (right, left)))",
    ),
    _CONV(
        "padding-of-minus-one",
        "The border counts as -1 and not as 0.",
        "padding, off by one",
        "padded = np.pad(a, ((0, 0), (top, bottom), (left, right)))",
        "padded = np.pad(a, ((0, 0), (top, bottom), (left, right)), constant_values=-1)",
    ),
    _CONV(
        "stride-starts-at-1",
        "A convolution with a stride starts at the second sample.",
        "stride",
        "            rows = slice(ky, ky + (h - 1) * stride + 1, stride)\n"
        "            columns = slice(kx, kx + (w - 1) * stride + 1, stride)\n",
        "            late = int(stride > 1 and kh > 1)\n"
        "            top_row, left_column = min(ky + late, kh - 1), min(kx + late, kw - 1)\n"
        "            rows = slice(top_row, top_row + (h - 1) * stride + 1, stride)\n"
        "            columns = slice(left_column, left_column + (w - 1) * stride + 1, stride)\n",
    ),
    _CONV(
        "last-tap-left-out",
        "The last tap of every kernel of more than one is left out.",
        "off by one",
        _PLUS,
        "            if kh * kw > 1 and ky * kw + kx == kh * kw - 1:\n                continue\n" + _PLUS,
    ),
    _CONV(
        "groups-reversed",
        "The groups of a convolution read each other's inputs, the last group's first.",
        "order, networks 13.4",
        "w, a[g * inputs : (g + 1) * inputs].reshape(inputs, -1)",
        "w, a[(groups - 1 - g) * inputs : (groups - g) * inputs].reshape(inputs, -1)",
    ),
    _CONV(
        "groups-interleaved",
        "Output channels of a grouped convolution are dealt out in turn.",
        "order, networks 13.4",
        "    return np.concatenate(parts).reshape(len(weight), *a.shape[1:])",
        "    return np.stack(parts, 1).reshape(len(weight), *a.shape[1:])",
    ),
    _CONV(
        "depthwise-of-one-channel",
        "A depthwise convolution reads the first channel only.",
        "order",
        "return weight[:, :, None] * a",
        "return weight[:, :, None] * a[:1]",
    ),
    _UP(
        "transposed-layout-out-in",
        "A transposed convolution's weight is read as (out, in).",
        "networks 13.7, order",
        "product = _mix(weight[:, :, ky, kx].T, a, 1)",
        "w = weight[:, :, ky, kx]\n            product = _mix(w if w.shape[0] == w.shape[1] else w.T, a, 1)",
    ),
    _UP(
        "transposed-kernel-flipped",
        "A transposed convolution mirrors its kernel.",
        "order",
        "product = _mix(weight[:, :, ky, kx].T, a, 1)",
        "product = _mix(weight[:, :, k - 1 - ky, k - 1 - kx].T, a, 1)",
    ),
    _UP(
        "transposed-one-to-the-right",
        "A transposed convolution's output lies one sample too far down and right.",
        "off by one",
        "return finish(grid[:, 1 : 1 + 2 * h, 1 : 1 + 2 * w], node, lo, hi, watch)",
        "return finish(grid[:, : 2 * h, : 2 * w], node, lo, hi, watch)",
    ),
    _UP(
        "transposed-bias-left-out",
        "A transposed convolution has no bias.",
        "ignored",
        '    grid += per_channel(node.tensors["bias"])\n',
        "",
    ),
    _UP(
        "transposed-sums-overwritten",
        "Where the kernels of a transposed convolution overlap the last one counts.",
        "order",
        "2 * w : 2] += product",
        "2 * w : 2] = product",
    ),
    _NODES(
        "concatenated-in-reverse",
        "Tensors are concatenated last one first.",
        "order, networks 13.10",
        "return np.concatenate(sources)",
        "return np.concatenate(sources[::-1])",
    ),
    _NODES(
        "slice-one-channel-early",
        "A slice starts and ends one channel too early, if it can.",
        "off by one",
        'return a[node.attributes["start"] : node.attributes["stop"]]',
        'start, stop = node.attributes["start"], node.attributes["stop"]\n'
        "        return a[start - (start > 0) : stop - (start > 0)]",
    ),
    _NODES(
        "crop-from-the-bottom-right",
        "A map is cut at its top and left.",
        "networks 13.5, networks 13.13",
        "return a[:, : shape[1], : shape[2]]",
        "return a[:, a.shape[1] - shape[1] :, a.shape[2] - shape[2] :]",
    ),
    _EACH(
        "shuffle-rows-and-columns-swapped",
        "A pixel shuffle exchanges rows and columns of a cell.",
        "entropy 8 C, order",
        "out[:, dy::r, dx::r] = a[dy * r + dx :: r * r]",
        "out[:, dy::r, dx::r] = a[dx * r + dy :: r * r]",
    ),
    _EACH(
        "shuffle-channels-last",
        "A pixel shuffle takes all channels of the first position of a cell first.",
        "order, networks 13.11",
        "out[:, dy::r, dx::r] = a[dy * r + dx :: r * r]",
        "out[:, dy::r, dx::r] = a.reshape(r * r, -1, h, w)[dy * r + dx]",
    ),
    _EACH(
        "gate-of-the-clamped-input",
        "A gate multiplies the input after its activation.",
        "networks 13.3",
        "return finish(a * b, node, lo, hi, watch)",
        "return finish(np.maximum(a, 0) * b, node, lo, hi, watch)",
    ),
    _EACH(
        "gate-in-16-bits",
        "The product of a gate wraps around at 32 bits less one.",
        "width",
        "return finish(a * b, node, lo, hi, watch)",
        "return finish((a * b + (1 << 30)) % (1 << 31) - (1 << 30), node, lo, hi, watch)",
        equivalent="Activations lie in -32767..32767: every product is below 2^30.",
    ),
    _EACH(
        "sum-not-aligned",
        "An addition does not bring its operands to one scale.",
        "order",
        '    left = a << per_channel(node.tensors["shift_a"])\n'
        '    right = b << per_channel(node.tensors["shift_b"])\n',
        "    left, right = a, b\n",
    ),
    _EACH(
        "sum-scales-exchanged",
        "An addition exchanges the scales of its operands.",
        "order",
        '    left = a << per_channel(node.tensors["shift_a"])\n'
        '    right = b << per_channel(node.tensors["shift_b"])\n',
        '    left = a << per_channel(node.tensors["shift_b"])\n'
        '    right = b << per_channel(node.tensors["shift_a"])\n',
    ),
    _EACH(
        "sum-of-differences",
        "An addition subtracts.",
        "sign",
        "return finish(left + right, node, lo, hi, watch)",
        "return finish(left - right, node, lo, hi, watch)",
    ),
    _EACH(
        "lookup-one-off",
        "A lookup table is entered one place too high.",
        "off by one, table",
        "return table.astype(np.int64)[a + 32768]",
        "return table.astype(np.int64)[np.minimum(a + 32769, 65535)]",
    ),
    _EACH(
        "lookup-of-the-magnitude",
        "A lookup table is entered with the magnitude.",
        "sign, table",
        "return table.astype(np.int64)[a + 32768]",
        "return table.astype(np.int64)[np.minimum(np.abs(a), 32767) + 32768]",
    ),
)

MUTANTS = (*_ROUNDING, *_CLIPS, *_WIDTHS, *_SHAPES)
