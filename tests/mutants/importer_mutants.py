"""Importers with one mistake each. No stream shows them: what a checkpoint becomes does."""

from __future__ import annotations

from conformance.mutants.mutant import Module, catalogue_of

_ALL = ("codestream", "picture")
_ENTROPY = Module("conformance.importer.entropy", "entropy", _ALL)
_FILES = Module("conformance.importer.checkpoint", "entropy", _ALL)
_NETWORKS = Module("conformance.importer.networks", "networks", _ALL)
_LAYERS = Module("conformance.quantize.layers", "quantiser", _ALL)
_LINEAR = Module("conformance.quantize.linear", "quantiser", _ALL)
_LEAKY = Module("conformance.quantize.elementwise", "quantiser", _ALL)
_ROUND = Module("conformance.quantize.rounding", "quantiser", _ALL)

_GAIN = "scaled = np.rint(vectors[:, filled[0]] * np.float32(128))"
_EXPECTED = "if tensor.shape != shape or tensor.dtype != np.dtype(dtype):"
_STATE = "state[name] = torch.from_numpy(np.array(values))"

IMPORTERS = catalogue_of(
    [
        _ENTROPY(
            "gain-floored", "Gains are rounded down.", "rounding", _GAIN, _GAIN.replace("rint", "floor")
        ),
        _ENTROPY(
            "gain-half-up",
            "A gain half-way between two integers is rounded up.",
            "rounding",
            _GAIN,
            "scaled = np.floor(vectors[:, filled[0]] * np.float32(128) + np.float32(0.5))",
        ),
        _ENTROPY("gain-in-64ths", "Gains have 6 fraction bits.", "width", _GAIN, _GAIN.replace("128", "64")),
        _ENTROPY(
            "gain-of-the-first-column",
            "Gains come from the first column.",
            "layout",
            _GAIN,
            _GAIN.replace("filled[0]", "0"),
        ),
        _ENTROPY(
            "gain-columns-not-counted",
            "Of several columns that are filled the first one is taken.",
            "accepted",
            "if len(filled) != 1:",
            "if not filled:",
        ),
        _ENTROPY(
            "gain-not-clipped-below",
            "A gain may be less than the format has.",
            "clip",
            "np.maximum(scaled, GAIN_LOG_MIN)",
            "np.maximum(scaled, 2 * GAIN_LOG_MIN)",
        ),
        _ENTROPY(
            "gain-too-large-accepted",
            "A gain may be more than the format has.",
            "accepted",
            "if scaled.max() > GAIN_LOG_MAX:",
            "if False:",
        ),
        _ENTROPY(
            "gain-no-number-accepted",
            "A gain may be infinite.",
            "accepted",
            "if not np.isfinite(vectors).all():",
            "if False:",
        ),
        _ENTROPY(
            "float-twin-accepted",
            "A checkpoint that is not quantised is taken for one that is.",
            "accepted",
            " or not bool(flag.reshape(-1)[0]):",
            ":",
        ),
        _ENTROPY(
            "shift-of-32-accepted",
            "Shifts have no limit.",
            "accepted",
            "if shifts.min() < 0 or shifts.max() > MAX_SHIFT:",
            "if shifts.min() < 0:",
        ),
        _ENTROPY(
            "frequencies-in-reverse",
            "The frequencies of the hyper-latent are read from the last symbol on.",
            "layout",
            "z_cdf(freqs)",
            "z_cdf(freqs[:, ::-1])",
        ),
        _ENTROPY(
            "weights-in-the-wrong-layout",
            "Weights are [in, out], not [out, in].",
            "layout",
            'checkpoint.expect(f"{prefix}.weight", (out, channels, kernel, kernel), "int8"),',
            'checkpoint.expect(f"{prefix}.weight", (out, channels, kernel, kernel), "int8")\n'
            "        .swapaxes(0, 1).reshape(out, channels, kernel, kernel),",
        ),
        _ENTROPY(
            "bias-forgotten",
            "Biases are 0.",
            "ignored",
            'checkpoint.expect(f"{prefix}.bias", (out,), "int32"),',
            '0 * checkpoint.expect(f"{prefix}.bias", (out,), "int32"),',
        ),
        _FILES(
            "missing-tensor-accepted",
            "A tensor that is not there is one of zeros.",
            "accepted",
            "        tensor = self.tensor(name)\n",
            "        tensor = self.tensors.get(name, np.zeros(shape, dtype))\n",
        ),
        _FILES(
            "type-not-checked",
            "A tensor may be of any type.",
            "accepted",
            _EXPECTED,
            "if tensor.shape != shape:",
        ),
        _FILES(
            "shape-not-checked",
            "A tensor may have another shape of as many numbers.",
            "accepted",
            _EXPECTED,
            "if tensor.size == np.prod(shape):\n"
            "            tensor = tensor.reshape(shape)\n"
            "        if tensor.dtype != np.dtype(dtype):",
        ),
        _NETWORKS(
            "square-weights-transposed",
            "Weights with as many inputs as outputs are transposed.",
            "layout",
            _STATE,
            "values = np.array(values)\n"
            "        square = values.ndim == 4 and values.shape[0] == values.shape[1]\n"
            "        state[name] = torch.from_numpy(values.swapaxes(0, 1).copy() if square else values)",
        ),
        _NETWORKS(
            "kernels-flipped",
            "Kernels are turned by 180 degrees, as a transposed convolution wants them elsewhere.",
            "layout",
            _STATE,
            "values = np.array(values)\n"
            "        state[name] = torch.from_numpy(\n"
            "            values[:, :, ::-1, ::-1].copy() if values.ndim == 4 else values\n"
            "        )",
        ),
        _NETWORKS(
            "no-numbers-accepted",
            "A weight may be infinite.",
            "accepted",
            "if not np.isfinite(values).all():",
            "if False:",
        ),
        _LAYERS(
            "transposed-weights-as-they-are",
            "The scales of a transposed convolution are those of its inputs.",
            "layout",
            'return weight if node.op == "conv" else weight.transpose(1, 0, 2, 3)',
            "return weight",
        ),
        _LAYERS(
            "transposed-weights-put-back-wrongly",
            "The weights of a transposed convolution are put back with inputs and outputs exchanged.",
            "layout",
            "target[problem.place] = weight.transpose(1, 0, 2).reshape(shape)",
            "target[problem.place] = weight.reshape(shape)",
        ),
        _LAYERS(
            "transposed-phases-exchanged",
            "Even rows of a transposed convolution take the even rows of the kernel.",
            "layout",
            "rows_k = [ky for ky in range(k) if (py + 1 - ky) % 2 == 0]",
            "rows_k = [ky for ky in range(k) if (py - ky) % 2 == 0]",
        ),
        _LINEAR(
            "scale-of-the-input-not-folded",
            "Weights are not divided by the scale of what they multiply.",
            "scale",
            "weight = output_weight(node) / spread_inputs(node, scale_in)[..., None, None]",
            "weight = 1.0 * output_weight(node)",
        ),
        _LEAKY(
            "slope-cut-off",
            "The slope of a leaky activation is cut to its bits.",
            "rounding",
            "numerator = round(slope * 2**shift)",
            "numerator = int(slope * 2**shift)",
        ),
        _ROUND(
            "weights-floored",
            "Weights are rounded down.",
            "rounding",
            "return np.clip(np.rint(w), -limit, limit)",
            "return np.clip(np.floor(w), -limit, limit)",
        ),
        _ROUND(
            "weights-to-the-lowest-integer",
            "Weights may be -128 or -32768.",
            "clip",
            "return np.clip(np.rint(w), -limit, limit)",
            "return np.clip(np.rint(w), -limit - 1, limit)",
        ),
    ]
)
