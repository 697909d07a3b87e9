"""Small integer models with the standard's interfaces, from seeds: every trace point exists, and nothing of
them needs training, checkpoints or torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.verify import synthetic
from refdec.codestream import CHANNELS
from refdec.integer import Graph, GraphInput, Model, Node
from refdec.models_io import MODEL_IDS, ModelSet

LIMIT, SIGNAL = 32767, 32640
POINTS = ("sop", "bop")
FRACTION = {c: (5 + np.arange(CHANNELS[c]) % 5).astype(np.int32) for c in (0, 1)}


def _full(channels: int, value: int) -> npt.NDArray[np.uint8]:
    return np.full(channels, value, np.uint8)


def _thin(random: np.random.Generator, outputs: int, inputs: int, kernel: int = 1) -> npt.NDArray[np.int16]:
    """Every output reads two inputs."""
    weight = np.zeros((outputs, inputs, kernel, kernel), np.int16)
    for _ in range(2):
        taps = random.integers(-60, 61, (outputs, kernel, kernel))
        weight[np.arange(outputs), random.integers(0, inputs, outputs)] += taps.astype(np.int16)
    return weight


def _conv(
    name: str,
    source: str,
    weight: npt.NDArray[np.int16],
    shift: int,
    limit: int = LIMIT,
    **attributes: Any,
) -> Node:
    out = len(weight)
    bias = ((np.arange(out) * 37) % 401 - 200).astype(np.int32)
    tensors = {"weight": weight, "bias": bias, "shift": _full(out, shift)}
    pad = weight.shape[2] // 2
    return Node(name, "conv", (source,), {"pad": (pad,) * 4, **attributes}, tensors, -limit, limit)


def latent(seed: int, c: int) -> Model:
    """Hyper-decoder, four context graphs (luma) and four sums."""
    random = np.random.default_rng(seed)
    n = CHANNELS[c]
    up = np.zeros((n, n, 4, 4), np.int16)
    up[np.arange(n), np.arange(n)] = random.integers(-60, 61, (n, 4, 4))
    tensors = {"weight": up, "bias": np.zeros(n, np.int32), "shift": _full(n, 0)}
    hyper = Graph(
        (GraphInput("z_hat", n, -31, 31),),
        (
            Node("up", "transposed_conv", ("z_hat",), {}, tensors, -LIMIT, LIMIT),
            Node("up.crop", "crop", ("up",), {"divisor": 32}),
            _conv("psi", "up.crop", _thin(random, 4 * n, n, 3), 9, 2000),
        ),
        ("psi",),
    )
    graphs = {"hyper_decoder": hyper}
    for phase in range(4):
        if c == 0:
            earlier = [GraphInput(f"y_hat.{k}", n, -LIMIT, LIMIT) for k in range(phase)]
            names = (*(item.name for item in earlier), "psi")
            nodes = [Node("all", "concat", names)] if phase else []
            weight = _thin(random, n, (phase + 1) * n, 3)
            nodes.append(_conv("mu", "all" if phase else "psi", weight, 8))
            inputs = (*earlier, GraphInput("psi", n, -2000, 2000))
            graphs[f"mcm.{phase}"] = Graph(inputs, tuple(nodes), ("mu",))
        shifts = {role: _full(n, 0) for role in ("shift_a", "shift_b", "shift")}
        node = Node("y_hat", "add", ("mu", "residual"), {}, shifts, -LIMIT, LIMIT)
        inputs = tuple(GraphInput(name, n, -LIMIT, LIMIT) for name in ("mu", "residual"))
        graphs[f"sum.{phase}"] = Graph(inputs, (node,), ("y_hat",))
    return Model(
        f"latent_{'Y' if c == 0 else 'UV'}", graphs, {"latent_fraction": FRACTION[c]}, {"seed": seed}
    )


def synthesis(seed: int, c: int, point: str) -> Model:
    """Latents to one or two planes: mixing, pixel shuffle, a 3x3 filter that sees the neighbours."""
    random = np.random.default_rng(seed)
    parts = ("y_hat",) if c == 0 else ("y_hat.Y", "y_hat.UV")
    inputs = tuple(GraphInput(name, CHANNELS[k], -LIMIT, LIMIT) for k, name in enumerate(parts))
    planes, width = 1 + c, sum(item.channels for item in inputs)
    smooth = random.integers(5, 60, (planes, 1, 3, 3)).astype(np.int16)
    nodes = [] if c == 0 else [Node("both", "concat", parts)]
    nodes += [
        _conv("mixed", parts[0] if c == 0 else "both", _thin(random, 256 * planes, width), 4),
        Node("spread", "pixel_shuffle", ("mixed",), {"factor": 16}),
        _conv("smooth", "spread", smooth, 8, SIGNAL, groups=planes),
        Node("signal", "crop", ("smooth",), {"divisor": 1}),
    ]
    names = ("latent_fraction",) if c == 0 else ("latent_fraction.Y", "latent_fraction.UV")
    constants = {name: FRACTION[k] for k, name in enumerate(names)}
    graph = Graph(inputs, tuple(nodes), ("signal",))
    return Model(f"{point}_{'Y' if c == 0 else 'UV'}", {"synthesis": graph}, constants, {"seed": seed})


def model_set(entropy_seed: int) -> ModelSet:
    """All four rate points and two operating points, in memory, with the bundled streams' entropy models."""
    models = synthetic.model_set(entropy_seed)
    for m in MODEL_IDS:
        for c in (0, 1):
            models.loaded[m, "latent", c] = latent(100 * m + c, c)
            for k, point in enumerate(POINTS):
                models.loaded[m, point, c] = synthesis(100 * m + 10 * (k + 1) + c, c, point)
    return models
