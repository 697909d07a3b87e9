"""Mistakes that only the fast engine can make: threads, bands of rows, memory, packed weights, narrow words.

They are put into its Python parts, around kernels that stay as they are; it runs with several threads, and
shares out even the smallest picture (:mod:`conformance.mutants.fast`).
"""

from __future__ import annotations

from conformance.mutants.mutant import Module

_ALL = ("codestream", "picture")
_AREA = "fast engine"
_SHARE = Module("refdec.entropy.jit.workers", _AREA, _ALL, "jit")
_PAYLOAD = Module("refdec.entropy.jit.payload", _AREA, _ALL, "jit")
_RUN = Module("refdec.integer.jit.runner", _AREA, _ALL, "jit")
_PLAN = Module("refdec.integer.jit.schedule", _AREA, _ALL, "jit")
_PACK = Module("refdec.integer.jit.pack", _AREA, _ALL, "jit")
_ATTENTION = Module("refdec.integer.jit.attention", _AREA, _ALL, "jit")
_LATENT = Module("refdec.networks.jit", _AREA, _ALL, "jit")

_CLIPPED = "    np.clip(out, -limit, limit, out=out)\n    np.left_shift(out, left, out=out)\n"
_NEEDED = "values.append(rows // step.factor if low else -(-rows // step.factor))"
_PARTS = "return [np.sum(parts, axis=0) for parts in zip(*sums, strict=True)]"
_STRIDES = "sc, sy, sx = inputs[step.external].strides"
_PLACE = "o = plane * squares + (ty * r + py) * factor + tx * r + px"

_THREADS = (
    _SHARE(
        "fast-threads-forget-the-rest",
        "Where the lanes are no multiple of the threads the last ones are left out.",
        "threads, off by one",
        "bounds = [items * k // parts for k in range(parts + 1)]",
        "bounds = [items // parts * k for k in range(parts + 1)]",
    ),
    _SHARE(
        "fast-threads-report-the-last-failure",
        "Of several lanes that fail the last one is reported.",
        "threads, order",
        "return next((end for end, high in zip(ends, bounds[1:], strict=True) if end < high), items)",
        "return next((e for e, high in zip(ends[::-1], bounds[:0:-1], strict=True) if e < high), items)",
        equivalent="What is returned bounds a second walk through the same payload, and a decoder walks "
        "through each once: which error is told is read from the states of the single lanes.",
    ),
    _SHARE(
        "fast-threads-begin-one-lane-late",
        "A thread leaves its first lane to the one before it.",
        "threads, off by one",
        "low, high = bounds[k], bounds[k + 1]\n",
        "low, high = min(bounds[k] + (k > 0), bounds[k + 1]), bounds[k + 1]\n",
    ),
    _RUN(
        "fast-sums-of-the-first-band",
        "Attention sees the sums of the first band of rows.",
        "threads, regions",
        _PARTS,
        "return [parts[0] for parts in zip(*sums, strict=True)]",
    ),
    _RUN(
        "fast-sums-in-32-bits",
        "The sums of attention are added up in 32 bits.",
        "width",
        _PARTS,
        "return [np.sum(parts, axis=0).astype(np.int32).astype(np.int64) for parts in zip(*sums)]",
    ),
    _PLAN(
        "fast-bands-leave-the-last-rows",
        "Where the rows are no multiple of the bands the last ones are left out.",
        "threads, off by one",
        "first, end = grid * band // bands, grid * (band + 1) // bands",
        "first, end = grid // bands * band, grid // bands * (band + 1)",
    ),
    _PLAN(
        "fast-bands-see-no-neighbour",
        "A band does not compute the rows above it that its convolutions look at.",
        "regions, borders",
        "need[store] = row if known is None else (min if low else max)(known, row)",
        "need[store] = row if known is None else max(known, row)",
    ),
    _PLAN(
        "fast-bands-end-a-row-early",
        "Where a band ends in the middle of a step's rows the rest is left out.",
        "off by one",
        _NEEDED,
        "values.append(rows // step.factor)",
    ),
)

_MEMORY = (
    _PLAN(
        "fast-strides-of-a-dense-array",
        "An input is read as if its samples followed each other.",
        "non-contiguous",
        _STRIDES,
        "_, height, width = inputs[step.external].shape\n"
        "                sc, sy, sx = 2 * height * width, 2 * width, 2",
        equivalent="A decoder gives all graphs contiguous arrays; only callers of the integer engine itself, "
        "who may give views, can tell.",
    ),
    _PLAN(
        "fast-strides-transposed",
        "The distances of rows and of columns of an input are exchanged.",
        "non-contiguous, order",
        _STRIDES,
        "sc, sx, sy = inputs[step.external].strides",
    ),
    _PLAN(
        "fast-no-zeros-on-the-right",
        "Beside a row on the right lies the next row, not zeros.",
        "borders",
        "ring.right = max(ring.right, (width - 1) * step.stride + step.columns[1] - (ring.width - 1))",
        "ring.right = 0",
    ),
    _PLAN(
        "fast-no-zeros-on-the-left",
        "Beside a row on the left lies the row before it, not zeros.",
        "borders",
        "ring.left = max(ring.left, -step.columns[0])",
        "ring.left = max(ring.left, -step.columns[0] - 1)",
    ),
    _PLAN(
        "fast-ring-one-row-short",
        "A store keeps one row less than is still read.",
        "off by one",
        "ring.capacity = max(ring.capacity, top - low)",
        "ring.capacity = max(ring.capacity, top - low - 1)",
    ),
    _RUN(
        "fast-memory-not-cleared",
        "What is beside the rows is not 0.",
        "borders",
        "            arena = np.zeros(plan.arena, np.uint8)\n",
        "            arena = np.ones(plan.arena, np.uint8)\n",
    ),
)

_WEIGHTS = (
    _PACK(
        "fast-shift-half-down",
        "A half is rounded down.",
        "rounding",
        "return np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0).astype(np.int32)",
        "return np.where(s > 0, (np.int64(1) << np.maximum(s - 1, 0)) - 1, 0).astype(np.int32)",
    ),
    _PACK(
        "fast-shift-always-floors",
        "Shifts round down.",
        "rounding",
        'if rounding == "floor":',
        'if rounding != "":',
    ),
    _PACK(
        "fast-groups-interleaved",
        "Output channels go to the groups in turn.",
        "order",
        "group = np.arange(out) * groups // out",
        "group = np.arange(out) % groups",
    ),
    _PACK(
        "fast-taps-transposed",
        "The taps of a convolution are read column by column.",
        "order",
        "values[o, :, :, first : first + per_group] = picked[o].transpose(1, 2, 0)",
        "values[o, :, :, first : first + per_group] = picked[o].transpose(2, 1, 0)",
    ),
    _PACK(
        "fast-depthwise-flipped",
        "The taps of a depthwise convolution are turned by 180 degrees.",
        "order",
        "flat[: len(weight)] = weight.reshape(-1, 9)",
        "flat[: len(weight)] = weight.reshape(-1, 9)[:, ::-1]",
    ),
    _PACK(
        "fast-phases-exchanged",
        "The even samples of a transposed convolution are computed as odd ones.",
        "order",
        "return tuple(Taps(tuple(o for o, _ in t), tuple(k for _, k in t)) for t in (even, odd))",
        "return tuple(Taps(tuple(o for o, _ in t), tuple(k for _, k in t)) for t in (odd, even))",
    ),
    _PACK(
        "fast-phases-transposed",
        "The phases of a transposed convolution go by columns.",
        "order",
        _PLACE,
        "o = plane * squares + (tx * r + py) * factor + ty * r + px",
    ),
    _PACK(
        "fast-bounds-of-the-first-stage",
        "The clip behind a sum of two tensors is that of the first.",
        "clip",
        "return (ir.V_LO2, ir.V_HI2) if second else (ir.V_LO, ir.V_HI)",
        "return ir.V_LO, ir.V_HI",
    ),
    _ATTENTION(
        "fast-attention-weight-one-low",
        "An attention weight is at most 32766.",
        "clip, off by one",
        "min(32767,",
        "min(32766,",
    ),
    _ATTENTION(
        "fast-attention-keys-of-the-first-head",
        "Keys are normalised as those of the first head.",
        "order",
        "other = head * width + j",
        "other = j",
    ),
)

_WORDS = (
    _LATENT(
        "fast-latent-shifted-before-the-clip",
        "A residual is shifted to the left in 32 bits before it is clipped.",
        "width",
        _CLIPPED,
        "    np.left_shift(out, left, out=out)\n",
    ),
    _LATENT(
        "fast-latent-floored",
        "A residual on the latent's scale is rounded down.",
        "rounding",
        "    np.add(out, dropped, out=out)\n",
        "",
    ),
    _LATENT(
        "fast-latent-in-16-bits",
        "A residual wraps around at 16 bits.",
        "width, clip",
        "    value = np.asarray(residual, np.int32)\n",
        "    value = np.asarray(residual, np.int32).astype(np.int16).astype(np.int32)\n",
    ),
    _LATENT(
        "fast-plane-centred-at-128",
        "Planes have their centre at 128.",
        "off by one",
        "view(np.uint16) + np.uint16(32640)",
        "view(np.uint16) + np.uint16(32768)",
    ),
    _PAYLOAD(
        "fast-last-bytes-of-a-thread",
        "The first state is read from the last two bytes of a thread.",
        "width",
        'top = int.from_bytes(thread[-4:], "little")',
        'top = int.from_bytes(thread[-2:], "little")',
        "position = 8 * (len(thread) - min(4, len(thread))) + here",
        "position = 8 * (len(thread) - min(2, len(thread))) + here",
    ),
    _PAYLOAD(
        "fast-place-of-the-payload",
        "A thread that fails is said to begin where the payload does.",
        "order",
        "return 8 * (self.byte_offset + sum(self.sizes[:thread]))",
        "return 8 * self.byte_offset",
    ),
    _PAYLOAD(
        "fast-second-state-not-checked",
        "The second state of a payload of one thread may be anything at the end.",
        "ignored",
        "if check_end and (left or any(state)):",
        "if check_end and (left or state[0]):",
    ),
    _PAYLOAD(
        "fast-bits-left-not-checked",
        "Bits may be left at the end of a thread.",
        "ignored",
        "if check_end and (left or any(state)):",
        "if check_end and any(state):",
    ),
    _PAYLOAD(
        "fast-end-not-checked",
        "A thread may end in any state.",
        "ignored",
        "if check_end and (left or any(state)):",
        "if False:",
    ),
)

MUTANTS = (*_THREADS, *_MEMORY, *_WEIGHTS, *_WORDS)
