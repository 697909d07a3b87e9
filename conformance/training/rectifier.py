"""Training of the quantisation rectifier: soft, then predictive.

The two phases follow arXiv 2403.17236. In the first the latent carries uniform noise of the quantiser's width
in place of its rounding; in the second it is what the encoder codes. In the paper the codec learns in the
first, without a rectifier, and in the second the encoder is fixed and what follows it learns. Here the codec
is finished, and only the rectifier learns, in both: streams, entropy models, and the synthesis stay as they
are.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from conformance.networks.rectifier import Rectifier
from conformance.networks.synthesis import Synthesis
from conformance.training.rectifier_data import Example, Quantised
from conformance.training.schedule import save

DELTAS = (-600, 600)
"""Displacements that training sees."""
RATES = 1
"""Displacements of every training picture."""
LATENT_WEIGHT = 0.1
"""Of the logarithm of the latent's distance against that of the samples'."""
CHECKPOINT_SECONDS = 60
LOG_SECONDS = 30
GAIN_STEPS = 5
"""Every so many steps the log learns what the same picture has without a rectifier."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    :param megapixels: picture samples to see. :param rate: learning rate at its start and at its end.
    :param soft: noise in place of rounding.
    """

    name: str
    megapixels: float
    rate: tuple[float, float]
    soft: bool


def phases(scale: float = 1.0) -> tuple[Phase, Phase]:
    """The schedule. :param scale: factor on the length of both phases."""
    return (
        Phase("soft", 45 * scale, (2e-3, 2e-3), True),
        Phase("predictive", 240 * scale, (2e-3, 4e-5), False),
    )


def checkpoint_path(folder: Path, model: int, component: int) -> Path:
    """Where the weights of one rectifier lie."""
    return folder / f"rectifier{model}_{'Y' if component == 0 else 'UV'}.pt"


class Trainer:
    """One rectifier in training.

    :param component: 0 luma, 1 chroma.
    :param synthesis: float synthesis of that component; nothing in it learns.
    :param data: training pictures.
    :param units: what 1 of the integer latents stands for, luma and chroma, float32 ``[C, 1, 1]``.
    :param luma: for chroma, whose synthesis reads luma's latent too: the rectifier of that, if there is one.
    """

    def __init__(
        self,
        component: int,
        synthesis: Synthesis,
        data: Sequence[Example],
        units: tuple[Tensor, Tensor],
        *,
        luma: Rectifier | None = None,
        seed: int = 1,
    ) -> None:
        self.component, self.data, self.units, self.luma, self.seed = component, data, units, luma, seed
        self.synthesis = synthesis.requires_grad_(False)
        torch.manual_seed(seed)
        self.rectifier = Rectifier(data[0].y.shape[0])
        self.optimiser = torch.optim.Adam(self.rectifier.parameters(), betas=(0.9, 0.99))
        self._measure()

    def _measure(self) -> None:
        """Magnitude of the channels, and what quantisation does to them."""
        deviation = np.stack([e.y.reshape(len(e.y), -1).std(1) for e in self.data]).mean(0)
        square = torch.zeros(len(deviation))
        for example in self.data:
            for rate in example.rates:
                square += (self._latent(rate.y_hat) - torch.from_numpy(example.y)).square().mean((0, 2, 3))
        error = (square / sum(len(e.rates) for e in self.data)).sqrt().clamp(min=1e-4)
        self.rectifier.set_scales(torch.from_numpy(deviation).clamp(min=1e-3), error)
        self.channel_error = error

    def _latent(self, integer: np.ndarray, component: int | None = None) -> Tensor:
        unit = self.units[self.component if component is None else component]
        return torch.from_numpy(integer.astype(np.float32))[None] * unit

    def _error(self, latent: Tensor, example: Example, rate: Quantised) -> Tensor:
        """Mean squared error of the samples that this latent becomes."""
        if self.component == 1:
            with torch.no_grad():
                luma = self._latent(rate.luma, 0)
                latent = torch.cat((luma if self.luma is None else self.luma(luma), latent), dim=1)
        size = (example.rgb.shape[0], example.rgb.shape[1])
        with torch.autocast("cpu", torch.bfloat16):
            signal = self.synthesis.signal(latent, size).float()
        return (signal * 128 + 127.5 - example.planes(self.component)).square().mean()

    def loss(
        self, number: int, rate: int, soft: bool, compare: bool = False
    ) -> tuple[Tensor, dict[str, float]]:
        """Of one picture at one rate: logarithms of the samples' and of the latent's distance.

        So every rate weighs alike, and a step counts what it wins in decibels.

        :param compare: also measure what there is without a rectifier.
        :returns: loss, and with ``compare`` what samples and latent have won, in dB.
        """
        example = self.data[number]
        quantised = example.rates[rate]
        y, y_hat = torch.from_numpy(example.y)[None], self._latent(quantised.y_hat)
        given = y_hat
        if soft:
            step = torch.from_numpy(quantised.step)[:, None, None]
            noisy = y + (torch.rand_like(y) - 0.5) * step
            given = torch.where(torch.from_numpy(quantised.coded), noisy, y_hat)
        with torch.autocast("cpu", torch.bfloat16):
            rectified = self.rectifier(given)

        def distances(latent: Tensor) -> tuple[Tensor, Tensor]:
            weighted = (latent - y).square() / self.channel_error[:, None, None].square()
            return self._error(latent, example, quantised), weighted.mean()

        after = distances(rectified)
        facts = {}
        if compare:
            with torch.no_grad():
                pairs = zip(("samples", "latent"), distances(given), after, strict=True)
                facts = {name: 10 * math.log10(float(a / b)) for name, a, b in pairs}
        return after[0].log() + LATENT_WEIGHT * after[1].log(), facts

    def run(self, plan: Sequence[Phase], path: Path, log: Callable[[str], None]) -> None:
        """Train through the phases; continues where a checkpoint beside ``path`` stopped.

        :param path: of the finished weights.
        """
        progress, seen, done = path.with_suffix(".progress.pt"), 0.0, 0
        if progress.exists():
            saved = torch.load(progress, weights_only=True)
            self.rectifier.load_state_dict(saved["rectifier"])
            self.optimiser.load_state_dict(saved["optimiser"])
            seen, done = saved["seen"], saved["done"]
        generator = np.random.default_rng((self.seed, done))
        sums, count, last_log, last_save = dict[str, float](), 0, time.monotonic(), time.monotonic()
        ends = np.cumsum([phase.megapixels for phase in plan])
        while seen < ends[-1]:
            number = int(np.searchsorted(ends, seen, side="right"))
            phase = plan[number]
            position = 1 - (ends[number] - seen) / phase.megapixels
            first, last = phase.rate
            for group in self.optimiser.param_groups:
                group["lr"] = last + (first - last) * 0.5 * (1 + math.cos(math.pi * position))
            picture = int(generator.integers(len(self.data)))
            rate = int(generator.integers(len(self.data[picture].rates)))
            self.optimiser.zero_grad(set_to_none=True)
            loss, facts = self.loss(picture, rate, phase.soft, done % GAIN_STEPS == 0)
            loss.backward()
            nn.utils.clip_grad_norm_(self.rectifier.parameters(), 5.0)
            self.optimiser.step()
            seen += self.data[picture].rgb.shape[0] * self.data[picture].rgb.shape[1] / 1e6
            done, count = done + 1, count + bool(facts)
            for key, value in facts.items():
                sums[key] = sums.get(key, 0.0) + value
            now = time.monotonic()
            if count and (now - last_log > LOG_SECONDS or seen >= ends[-1]):
                means = {f"{key}_db": round(value / count, 4) for key, value in sums.items()}
                facts_now = {"file": path.name, "phase": phase.name, "seen": round(seen, 1), "steps": done}
                log(json.dumps({**facts_now, **means}))
                sums, count, last_log = {}, 0, now
            if now - last_save > CHECKPOINT_SECONDS:
                state = {"rectifier": self.rectifier.state_dict(), "optimiser": self.optimiser.state_dict()}
                save({**state, "seen": seen, "done": done}, progress)
                last_save = now
        save({"rectifier": self.rectifier.state_dict()}, path)
        progress.unlink(missing_ok=True)


def load_rectifier(path: Path, channels: int) -> Rectifier:
    """A trained rectifier.

    :raises FileNotFoundError: it is not trained yet.
    """
    rectifier = Rectifier(channels)
    rectifier.load_state_dict(torch.load(path, weights_only=True)["rectifier"])
    return rectifier.eval().requires_grad_(False)
