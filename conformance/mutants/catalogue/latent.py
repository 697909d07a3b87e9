"""Mistakes between the residual and the latent: context model, means, regions, latent scaling."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_FLOW = Module("refdec.networks.latent", "latent", ("latent", "latent"))
_SUMS = Module("refdec.networks.golden", "latent", ("latent", "latent"))
_LSBS = Module("refdec.entropy.golden.scales", "latent scaling", ("latent", "latent"))
_STAGE = Module("refdec.latent_stage", "latent", ("latent", "latent"))

_SHIFT = "out[channel] = (value + (1 << (shift - 1))) >> shift"
_CHANGE = "(mean_weight * (latent - part) + residual_weight * part + 4096) >> 13"
_LSBS_CLIP = "np.clip(latent + change, -INT32_MAX, INT32_MAX)"

_ROUNDING = (
    _SUMS(
        "latent-residual-floored",
        "The residual is rounded down to the latent's scale.",
        "rounding",
        _SHIFT,
        "out[channel] = value >> shift",
    ),
    _SUMS(
        "latent-residual-truncated",
        "The residual is rounded towards 0 to the latent's scale.",
        "rounding",
        _SHIFT,
        "out[channel] = np.sign(value) * (np.abs(value) >> shift)",
    ),
    _SUMS(
        "latent-residual-halves-down",
        "A residual half-way between two steps of the latent is rounded down.",
        "rounding",
        _SHIFT,
        "out[channel] = (value + (1 << (shift - 1)) - 1) >> shift",
    ),
    _SUMS(
        "latent-residual-halves-to-even",
        "A residual half-way between two steps is rounded to the even one.",
        "rounding",
        _SHIFT,
        "out[channel] = (value + (1 << (shift - 1)) - 1 + ((value >> shift) & 1)) >> shift",
    ),
    _SUMS(
        "latent-residual-halves-away-from-0",
        "A residual half-way between two steps is rounded away from 0.",
        "rounding",
        _SHIFT,
        "out[channel] = (value + (1 << (shift - 1)) - (value < 0)) >> shift",
    ),
    _SUMS(
        "latent-residual-wraps",
        "A residual beyond 16 bits wraps around.",
        "clip, width",
        "    out = np.clip(out, -LATENT_MAX, LATENT_MAX)\n",
        "",
    ),
    _SUMS(
        "latent-residual-to-minus-32768",
        "A residual saturates down to -32768.",
        "clip, off by one",
        "out = np.clip(out, -LATENT_MAX, LATENT_MAX)",
        "out = np.clip(out, -LATENT_MAX - 1, LATENT_MAX)",
    ),
    _SUMS(
        "latent-residual-to-32766",
        "A residual saturates at 32766.",
        "clip, off by one",
        "out = np.clip(out, -LATENT_MAX, LATENT_MAX)",
        "out = np.clip(out, -LATENT_MAX, LATENT_MAX - 1)",
    ),
    _SUMS(
        "latent-residual-of-the-first-channel's-scale",
        "All channels are taken to have the first one's scale.",
        "order",
        "for channel, bits in enumerate(fraction.tolist()):",
        "for channel, bits in enumerate([int(fraction[0])] * len(fraction)):",
    ),
    _SUMS(
        "latent-residual-of-11-fraction-bits",
        "The residual is taken to have 11 fraction bits.",
        "width",
        "RESIDUAL_FRACTION = 12",
        "RESIDUAL_FRACTION = 11",
    ),
)

_PHASES = (
    _FLOW(
        "phases-in-raster-order",
        "The phases are coded in the order (0,0), (0,1), (1,0), (1,1).",
        "networks 13.9, order",
        "PHASE_POSITIONS = ((0, 0), (1, 1), (0, 1), (1, 0))",
        "PHASE_POSITIONS = ((0, 0), (0, 1), (1, 0), (1, 1))",
    ),
    _FLOW(
        "phases-with-row-and-column-swapped",
        "Rows and columns of the phases' positions are exchanged.",
        "order",
        "PHASE_POSITIONS = ((0, 0), (1, 1), (0, 1), (1, 0))",
        "PHASE_POSITIONS = ((0, 0), (1, 1), (1, 0), (0, 1))",
    ),
    _FLOW(
        "psi-blocks-in-raster-order",
        "The blocks of psi are taken to belong to positions in raster order.",
        "networks 13.9, order",
        "mean = np.ascontiguousarray(psi[phase * channels : (phase + 1) * channels])",
        "block = (0, 3, 1, 2)[phase]\n"
        "        mean = np.ascontiguousarray(psi[block * channels : (block + 1) * channels])",
    ),
    _FLOW(
        "psi-blocks-interleaved",
        "The blocks of psi are taken to be interleaved by channel.",
        "order",
        "mean = np.ascontiguousarray(psi[phase * channels : (phase + 1) * channels])",
        "mean = np.ascontiguousarray(psi[phase::4])",
    ),
    _FLOW(
        "psi-shuffled-in-space",
        "Psi is spread over the latent's grid before the phases are cut out of it.",
        "networks 13.9",
        "mean = np.ascontiguousarray(psi[phase * channels : (phase + 1) * channels])",
        "mean = np.ascontiguousarray(np.roll(psi[phase * channels : (phase + 1) * channels], row, 1))",
    ),
    _FLOW(
        "context-of-an-earlier-phase-is-the-residual",
        "Later phases see the residual of earlier ones, not their latent.",
        "order",
        'latents[f"y_hat.{phase}"] = latent',
        'latents[f"y_hat.{phase}"] = residual',
    ),
    _FLOW(
        "context-of-the-mean-only",
        "Later phases see the mean of earlier ones, not their latent.",
        "order",
        'latents[f"y_hat.{phase}"] = latent',
        'latents[f"y_hat.{phase}"] = compute(\n'
        '            model.sums[phase], "y_hat", mu=mean, residual=np.zeros_like(residual)\n        )',
    ),
    _FLOW(
        "context-phases-swapped",
        "The last phase sees the first two phases in the wrong order.",
        "networks 13.9, order",
        'mean = compute(model.means[phase], "mu", psi=mean, **latents)',
        "seen = dict(latents)\n"
        "            if phase > 1:\n"
        '                seen["y_hat.0"], seen["y_hat.1"] = seen["y_hat.1"], seen["y_hat.0"]\n'
        '            mean = compute(model.means[phase], "mu", psi=mean, **seen)',
    ),
    _FLOW(
        "context-of-the-first-network",
        "All phases but the first use the second phase's network for their sum.",
        "order",
        'latent = compute(model.sums[phase], "y_hat"',
        'latent = compute(model.sums[min(phase, 1)], "y_hat"',
        equivalent="",
    ),
    _FLOW(
        "odd-latent-without-its-last-context",
        "What lies beyond a latent of odd size counts as 0 for later phases.",
        "padding, networks 13.13",
        'latents[f"y_hat.{phase}"] = latent',
        "seen = latent.copy()\n"
        "        seen[:, (size[0] - row + 1) // 2 :] = 0\n"
        "        seen[:, :, (size[1] - column + 1) // 2 :] = 0\n"
        '        latents[f"y_hat.{phase}"] = seen',
    ),
    _FLOW(
        "residual-not-added",
        "The latent is the mean.",
        "ignored",
        "residual = np.ascontiguousarray(step(phase, mean), np.int16)",
        "residual = np.zeros_like(step(phase, mean))",
    ),
    _FLOW(
        "residual-of-the-next-phase",
        "Every phase adds the residual of the phase after it.",
        "order",
        "return parts[phase]",
        "return parts[(phase + 1) % 4]",
    ),
    _FLOW(
        "z-halved-before-the-hyper-decoder",
        "The hyper decoder reads half of the hyper-latent.",
        "width",
        "z = np.ascontiguousarray(z_hat, np.int16)",
        "z = np.ascontiguousarray(z_hat >> 1, np.int16)",
    ),
    _FLOW(
        "z-unsigned-in-the-hyper-decoder",
        "Negative values of the hyper-latent are cut off.",
        "sign",
        "z = np.ascontiguousarray(z_hat, np.int16)",
        "z = np.maximum(np.ascontiguousarray(z_hat, np.int16), 0)",
    ),
)

_REGIONS = (
    _FLOW(
        "regions-earlier-over-later",
        "Where dependent regions overlap the earlier one's psi counts.",
        "regions, reference 4",
        "    for index, (size, source, target) in enumerate(zip(sizes, hyper, psi, strict=True)):\n",
        "    order = list(enumerate(zip(sizes, hyper, psi, strict=True)))\n"
        "    for index, (size, source, target) in reversed(order):\n",
    ),
    _FLOW(
        "regions-merged-by-their-cores",
        "Of psi only the core of every region is kept, without its extension.",
        "regions, reference 4",
        "        rows, columns = min(target.h, value.shape[1]), min(target.w, value.shape[2])\n"
        "        out[:, target.y : target.y + rows, target.x : target.x + columns] = value[:, "
        ":rows, :columns]\n",
        "        rows, columns = min(target.h, value.shape[1]), min(target.w, value.shape[2])\n"
        "        top, left = (2 if target.y else 0), (2 if target.x else 0)\n"
        "        out[:, target.y + top : target.y + rows, target.x + left : target.x + columns] = (\n"
        "            value[:, top:rows, left:columns]\n"
        "        )\n",
    ),
    _FLOW(
        "regions-not-trimmed",
        "Dependent regions keep the outermost sample of their extension.",
        "regions",
        "top, left = int(trim and rect.y > 0), int(trim and rect.x > 0)",
        "top, left = 0, 0",
    ),
    _FLOW(
        "regions-not-trimmed-behind",
        "Dependent regions keep the last sample of their extension.",
        "regions",
        "bottom = rect.h - int(trim and rect.y + rect.h < height)",
        "bottom = rect.h",
        "right = rect.w - int(trim and rect.x + rect.w < width)",
        "right = rect.w",
    ),
    _FLOW(
        "regions-trimmed-by-two",
        "Dependent regions drop two samples on every inner side.",
        "regions, off by one",
        "top, left = int(trim and rect.y > 0), int(trim and rect.x > 0)",
        "top, left = 2 * int(trim and rect.y > 0), 2 * int(trim and rect.x > 0)",
    ),
    _FLOW(
        "regions-see-no-neighbour",
        "The context model of a region sees zeros for the residual of its extension.",
        "regions",
        "residual[:, rect.y : rect.y + rect.h, rect.x : rect.x + rect.w],\n            engine",
        "np.where(\n"
        "                (np.arange(rect.h)[:, None] >= 4 * (rect.y > 0)) & (np.arange(rect.w) >= "
        "4 * (rect.x > 0)),\n"
        "                residual[:, rect.y : rect.y + rect.h, rect.x : rect.x + rect.w],\n"
        "                0,\n"
        "            ),\n            engine",
    ),
    _STAGE(
        "regions-not-extended",
        "Dependent regions are not extended into their neighbours.",
        "regions",
        "region_rectangles(picture, c, depth, extended=True)",
        "region_rectangles(picture, c, depth, extended=False)",
    ),
    _STAGE(
        "regions-independent-trimmed",
        "Independent regions are trimmed as dependent ones are.",
        "regions",
        "trim=picture.num_regions > 1 and not picture.independent_regions,",
        "trim=picture.num_regions > 1,",
    ),
    _STAGE(
        "regions-ignored-by-the-context-model",
        "The context model runs over the whole picture.",
        "regions",
        "    psi = picture_psi(\n",
        "    if not picture.independent_regions:\n"
        "        sizes, hyper, psi_rects, latent_rects = (\n"
        "            [r[0]._replace(h=max(q.y + q.h for q in r), w=max(q.x + q.w for q in r))]\n"
        "            for r in (sizes, hyper, psi_rects, latent_rects)\n"
        "        )\n"
        "    psi = picture_psi(\n",
    ),
    _STAGE(
        "regions-ignored-by-independent-context",
        "The context model of independent regions runs over the whole picture.",
        "regions",
        "    psi = picture_psi(\n",
        "    if picture.independent_regions:\n"
        "        sizes, hyper, psi_rects, latent_rects = (\n"
        "            [r[0]._replace(h=max(q.y + q.h for q in r), w=max(q.x + q.w for q in r))]\n"
        "            for r in (sizes, hyper, psi_rects, latent_rects)\n"
        "        )\n"
        "    psi = picture_psi(\n",
    ),
)

_SCALING = (
    _LSBS(
        "lsbs-floored",
        "The change of latent scaling is rounded down.",
        "rounding",
        _CHANGE,
        _CHANGE.replace(" + 4096", ""),
    ),
    _LSBS(
        "lsbs-truncated",
        "The change of latent scaling is rounded towards 0.",
        "rounding",
        _CHANGE,
        "np.fix((mean_weight * (latent - part) + residual_weight * part) / 8192).astype(np.int64)",
    ),
    _LSBS(
        "lsbs-halves-down",
        "The change of latent scaling is rounded half down.",
        "rounding",
        _CHANGE,
        _CHANGE.replace("4096", "4095"),
    ),
    _LSBS(
        "lsbs-halves-to-even",
        "The change of latent scaling is rounded half to even.",
        "rounding",
        _CHANGE,
        "np.rint((mean_weight * (latent - part) + residual_weight * part) / 8192).astype(np.int64)",
    ),
    _LSBS(
        "lsbs-two-roundings",
        "Both products of latent scaling are rounded on their own.",
        "rounding",
        _CHANGE,
        "((mean_weight * (latent - part) + 4096) >> 13) + ((residual_weight * part + 4096) >> 13)",
    ),
    _LSBS(
        "lsbs-weights-swapped",
        "Latent scaling exchanges the weights of mean and residual.",
        "order",
        _CHANGE,
        "(residual_weight * (latent - part) + mean_weight * part + 4096) >> 13",
    ),
    _LSBS(
        "lsbs-on-the-mean-alone",
        "Latent scaling leaves the residual out.",
        "ignored",
        _CHANGE,
        "(mean_weight * (latent - part) + 4096) >> 13",
    ),
    _LSBS(
        "lsbs-on-the-latent",
        "Latent scaling takes the latent for the mean.",
        "order",
        _CHANGE,
        "(mean_weight * latent + residual_weight * part + 4096) >> 13",
    ),
    _LSBS(
        "lsbs-subtracted",
        "Latent scaling subtracts its change.",
        "sign",
        _LSBS_CLIP,
        "np.clip(latent - change, -INT32_MAX, INT32_MAX)",
    ),
    _LSBS(
        "lsbs-in-16-bits",
        "The change of latent scaling is kept in 4 bits.",
        "width",
        _LSBS_CLIP,
        "np.clip(latent + np.clip(change, -8, 7), -INT32_MAX, INT32_MAX)",
    ),
    _LSBS(
        "lsbs-of-the-next-model",
        "Latent scaling uses the next model's weights.",
        "table",
        'tables["lsbs_mean"].astype(np.int64)[model_id][index]',
        'tables["lsbs_mean"].astype(np.int64)[(model_id + 1) % 4][index]',
    ),
    _LSBS(
        "lsbs-segments-reversed",
        "Segments 0 and 2 of latent scaling change places.",
        "order",
        'index = require_range(segment, 0, 2, "segments")',
        'index = 2 - require_range(segment, 0, 2, "segments")',
    ),
    _SUMS(
        "lsbs-wraps",
        "A scaled latent beyond its range wraps around at 16 bits.",
        "clip, width",
        "return np.clip(value.astype(np.int64), *bounds).astype(np.int16)",
        "return value.astype(np.int64).astype(np.int16)",
    ),
    _SUMS(
        "lsbs-upper-bound-one-low",
        "A scaled latent is clipped one below the upper end of its range.",
        "clip, off by one",
        "return np.clip(value.astype(np.int64), *bounds).astype(np.int16)",
        "return np.clip(value.astype(np.int64), bounds[0], bounds[1] - 1).astype(np.int16)",
    ),
    _SUMS(
        "lsbs-lower-bound-one-high",
        "A scaled latent is clipped one above the lower end of its range.",
        "clip, off by one",
        "return np.clip(value.astype(np.int64), *bounds).astype(np.int16)",
        "return np.clip(value.astype(np.int64), bounds[0] + 1, bounds[1]).astype(np.int16)",
    ),
    _FLOW(
        "lsbs-with-the-unscaled-residual",
        "Latent scaling takes the residual with 12 fraction bits.",
        "width",
        "scaled = entropy_engine.lsbs(y_hat, on_scale, segments, model_id)",
        "scaled = entropy_engine.lsbs(y_hat, residual, segments, model_id)",
    ),
)

MUTANTS = (*_ROUNDING, *_PHASES, *_REGIONS, *_SCALING)
