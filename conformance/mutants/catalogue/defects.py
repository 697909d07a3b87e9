"""Defects of real decoders that are no slip in a single formula: known ones, row by row."""

from __future__ import annotations

from conformance.mutants.mutant import Module, also

_STAGE = Module("refdec.entropy_stage", "known defects", ("entropy", "latent"))
_FLOW = Module("refdec.scales", "known defects", ("entropy", "latent"))
_NODES = Module("refdec.integer.golden", "known defects", ("entropy", "synthesis"))
_CONVOLUTION = Module("refdec.integer.golden.convolution", "known defects", ("entropy", "synthesis"))
_EACH = Module("refdec.integer.golden.elementwise", "known defects", ("entropy", "synthesis"))
_SCALES = Module("refdec.entropy.golden.scales", "known defects", ("entropy", "latent"))
_STREAM = Module("refdec.codestream.stream", "known defects", ("codestream", "picture"))
_LATENT = Module("refdec.latent_stage", "known defects", ("latent", "latent"))

_MASK = "np.ascontiguousarray(mask[: header.num_chs, rows, columns]).reshape(-1),"
_LEVELS = "np.ascontiguousarray(levels[: header.num_chs, rows, columns]).reshape(-1),"

MUTANTS = (
    _STAGE(
        "region-mask-read-linearly",
        "A region's mask is a view into the picture's, and is read as if it were contiguous.",
        "entropy 8 A1, networks 13.21, reference 1, not contiguous",
        _MASK,
        "np.resize(\n"
        "                    mask[: header.num_chs].reshape(-1)[rect.y * mask.shape[2] + rect.x :],\n"
        "                    header.num_chs * rect.h * rect.w,\n"
        "                ),",
    ),
    _STAGE(
        "region-levels-read-linearly",
        "A region's levels are a view into the picture's, and are read as if they were contiguous.",
        "not contiguous",
        _LEVELS,
        "np.resize(\n"
        "                    levels[: header.num_chs].reshape(-1)[rect.y * mask.shape[2] + rect.x :],\n"
        "                    header.num_chs * rect.h * rect.w,\n"
        "                ),",
    ),
    _STAGE(
        "region-mask-of-its-neighbour",
        "Every region takes the mask at the picture's upper left.",
        "regions",
        _MASK,
        "np.ascontiguousarray(mask[: header.num_chs, : rect.h, : rect.w]).reshape(-1),",
    ),
    also(
        _NODES(
            "levels-35-as-configured",
            "There are 35 levels, as a configuration says that nothing reads: the scale is clipped to "
            "4351 and the level to 34.",
            "entropy 8 A4, networks 13.15, reference 7",
            '    if node.op == "conv":\n',
            "    lo, hi = (np.where(abs(b) == 3967, b // 3967 * 4351, b) for b in (lo, hi))\n"
            '    if node.op == "conv":\n',
        ),
        "refdec.entropy.golden.scales",
        "np.clip(rounded, 0, MAX_LEVEL)",
        "np.clip(rounded, 0, 34)",
        'require_range(base, 0, BASE_MAX, "base")',
        'require_range(base, 0, 4351, "base")',
    ),
    _SCALES(
        "levels-counted-as-35",
        "The range of scales is divided into 35 levels instead of 32.",
        "entropy 8 A4",
        "rounded = (np.asarray(scale_log).astype(np.int64) + 64) >> 7",
        "rounded = (np.asarray(scale_log).astype(np.int64) * 35 // 32 + 64) >> 7",
    ),
    _LATENT(
        "lsbs-refused",
        "A stream with latent scaling is refused although the tool is there.",
        "entropy 8 A10",
        "    if component.lsbs_segments is not None:\n",
        '    if component.lsbs_segments is not None:\n        raise NotImplementedError("LSBS")\n',
    ),
    _LATENT(
        "lsbs-ignored",
        "Latent scaling is read and not applied.",
        "ignored",
        "if component.lsbs_segments is not None:",
        "if False:",
    ),
    _STAGE(
        "lsbs-only-with-variance-scaling",
        "Latent scaling is applied only where variance scaling is on.",
        "reference 14",
        "if stream.tools.lsbs_enable_flag[c] else None",
        "if stream.tools.lsbs_enable_flag[c] and scales.scaling is not None else None",
    ),
    _STAGE(
        "lsbs-flag-of-luma-for-both",
        "Luma's flag turns the latent scaling of chroma on and off.",
        "order",
        "if stream.tools.lsbs_enable_flag[c] else None",
        "if stream.tools.lsbs_enable_flag[0] else None",
    ),
    _STAGE(
        "channels-kept-from-an-earlier-stream",
        "A decoder keeps at most as many channels as the stream before had: 100 here.",
        "reference 12",
        "    return residual\n",
        "    residual[100:] = 0\n    return residual\n",
    ),
    _STAGE(
        "channels-absent-are-coded",
        "All channels of the component are taken to be in the stream, whatever num_chs says.",
        "entropy 3.7",
        _LEVELS,
        "np.ascontiguousarray(levels[:, rows, columns]).reshape(-1),",
        _MASK,
        "np.ascontiguousarray(mask[:, rows, columns]).reshape(-1),",
        "residual[: header.num_chs, rows, columns] = symbols.reshape(header.num_chs, rect.h, rect.w)",
        "residual[:, rows, columns] = symbols.reshape(-1, rect.h, rect.w)",
    ),
    _STAGE(
        "channels-one-missing",
        "The last channel of the stream is not decoded.",
        "off by one",
        "    return residual\n",
        "    residual[header.num_chs - 1 : header.num_chs] = 0\n    return residual\n",
    ),
    _STAGE(
        "residual-positions-row-first",
        "Positions are numbered row by row, the channels of a position one after another.",
        "order",
        "symbols.reshape(header.num_chs, rect.h, rect.w)",
        "symbols.reshape(rect.h, rect.w, header.num_chs).transpose(2, 0, 1)",
    ),
    _STAGE(
        "residual-rows-and-columns-swapped",
        "The positions of a channel are numbered down the columns.",
        "order",
        "symbols.reshape(header.num_chs, rect.h, rect.w)",
        "symbols.reshape(header.num_chs, rect.w, rect.h).swapaxes(1, 2)",
    ),
    _STAGE(
        "residual-threads-of-luma-for-both",
        "Chroma's residual is taken to have as many threads as luma's.",
        "threads",
        "coded = payload.threads(header.num_threads_r)",
        "coded = payload.threads(stream.picture.components[0].num_threads_r)",
    ),
    _STAGE(
        "regions-in-one-coder",
        "Only the first region is decoded: the others' payloads are taken for padding.",
        "regions",
        "if payload is not None:",
        "if payload is not None and index == 0:",
    ),
    _STAGE(
        "regions-down-the-columns",
        "The payloads of the regions are taken column by column.",
        "regions, order",
        "enumerate(zip(rectangles, stream.residual_payloads(c), strict=True))",
        "enumerate(\n"
        "        zip(sorted(rectangles, key=lambda r: (r.x, r.y)), stream.residual_payloads(c), "
        "strict=True)\n"
        "    )",
    ),
    _STREAM(
        "regions-in-file-order",
        "Independent regions are taken in the order of their substreams; their index is skipped.",
        "regions",
        "return gather_regions(self.substreams_of(marker), self.picture.num_regions, marker.name)",
        "found = [\n"
        "                s._replace(payload=bytes([i]) + s.payload[1:])\n"
        "                for i, s in enumerate(self.substreams_of(marker))\n"
        "            ]\n"
        "            return gather_regions(found, self.picture.num_regions, marker.name)",
    ),
    _STREAM(
        "residual-substreams-swapped",
        "SORP is taken for chroma's residual and SORS for luma's.",
        "order",
        "RESIDUAL_MARKERS = (Marker.SORP, Marker.SORS)",
        "RESIDUAL_MARKERS = (Marker.SORS, Marker.SORP)",
    ),
    _CONVOLUTION(
        "scale-in-float32",
        "The hyper scale decoder's sums are kept in 24 bits of mantissa.",
        "networks 13.8, width",
        "    return finish(acc, node, lo, hi, watch)\n\n",
        '    if node.attributes["rounding"] == "floor":\n'
        "        acc = acc.astype(np.float32).astype(np.int64)\n"
        "    return finish(acc, node, lo, hi, watch)\n\n",
    ),
    _EACH(
        "scale-rounded-to-nearest",
        "The hyper scale decoder's shift rounds to nearest.",
        "entropy 8 C, networks 13.8, rounding",
        'if rounding == "floor":',
        "if False:",
    ),
    _EACH(
        "scale-truncated",
        "The hyper scale decoder's shift rounds towards 0.",
        "networks 13.8, rounding",
        "        return values >> s\n    values =",
        "        return np.sign(values) * (np.abs(values) >> s)\n    values =",
    ),
    _NODES(
        "scale-clipped-before-the-absolute-value",
        "The scale is clipped to 0..3967 before its absolute value is taken: negative values become 0.",
        "entropy 8 C, networks 13.8",
        "return clip(np.abs(a), node, lo, hi)",
        "return np.abs(clip(a, node, lo, hi))",
    ),
    _NODES(
        "scale-not-made-positive",
        "The absolute value is left out: negative values are clipped to 0.",
        "entropy 8 C",
        "return clip(np.abs(a), node, lo, hi)",
        "return clip(a, node, lo, hi)",
    ),
    _NODES(
        "scale-depthwise-as-its-name-says",
        "The 3x3 layer of the hyper scale decoder is taken for a depthwise convolution.",
        "networks 13.8",
        '    if node.op == "conv":\n',
        '    if node.name == "depthwise":\n'
        '        full = t["weight"]\n'
        "        own = np.zeros_like(full)\n"
        "        own[np.arange(len(full)), np.arange(len(full))] = full[np.arange(len(full)), "
        "np.arange(len(full))]\n"
        '        node = Node(node.name, node.op, node.inputs, node.attributes, {**t, "weight": own})\n'
        '    if node.op == "conv":\n',
    ),
    _NODES(
        "scale-activation-on-the-last-layer",
        "The last layer of the hyper scale decoder is followed by an activation too.",
        "entropy 8 C",
        '    if node.op == "conv":\n',
        '    if node.name == "pointwise":\n        lo = np.maximum(lo, 0)\n    if node.op == "conv":\n',
    ),
    _NODES(
        "scale-without-input-clip",
        "Activations of the hyper scale decoder are not clipped to 8 bits.",
        "networks 13.8, clip",
        '    if node.op == "conv":\n',
        '    if node.name in ("conv1", "depthwise") and hi.max() == 127:\n'
        "        hi = np.full_like(hi, 32767)\n"
        '    if node.op == "conv":\n',
    ),
    _NODES(
        "scale-clipped-to-126",
        "Activations of the hyper scale decoder are clipped to 0..126.",
        "off by one, clip",
        '    if node.op == "conv":\n',
        '    hi = np.where(hi == 127, 126, hi)\n    if node.op == "conv":\n',
    ),
    _NODES(
        "scale-clipped-to-3966",
        "The scale is clipped to 0..3966.",
        "off by one, clip",
        '    if node.op == "conv":\n',
        '    hi = np.where(hi == 3967, 3966, hi)\n    if node.op == "conv":\n',
        "return clip(np.abs(a), node, lo, hi)",
        "return clip(np.abs(a), node, lo, np.where(hi == 3967, 3966, hi))",
    ),
    _FLOW(
        "scale-decoder-per-region",
        "The hyper scale decoder runs on 128 x 128 parts of the picture with zeros around each.",
        "entropy 2, regions",
        "    inputs = {graph.inputs[0].name: z_hat.astype(np.int16)}\n"
        "    outputs = integer.run(graph, inputs, size, engine=engine, threads=threads)\n"
        "    return outputs[graph.outputs[0]].astype(np.int32)\n",
        "    name, (height, width) = graph.inputs[0].name, size\n"
        "    out = np.zeros((len(z_hat), -(-height // 16), -(-width // 16)), np.int32)\n"
        "    for y in range(0, height, 128):\n"
        "        for x in range(0, width, 128):\n"
        "            part = z_hat[:, y // 64 : y // 64 + 2, x // 64 : x // 64 + 2].astype(np.int16)\n"
        "            inner = (min(128, height - y), min(128, width - x))\n"
        "            found = integer.run(graph, {name: part}, inner, engine=engine)[graph.outputs[0]]\n"
        "            out[:, y // 16 : y // 16 + found.shape[1], x // 16 : x // 16 + found.shape[2]] = found\n"
        "    return out\n",
    ),
    _FLOW(
        "hyper-latent-clipped",
        "The hyper-latent is clipped to -16..16 before the hyper scale decoder.",
        "clip",
        "inputs = {graph.inputs[0].name: z_hat.astype(np.int16)}",
        "inputs = {graph.inputs[0].name: z_hat.astype(np.int16).clip(-16, 16)}",
    ),
)
