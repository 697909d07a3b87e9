"""Products in float32 held against integers while they are made: the layers themselves, on the device in use.

The proof says that nothing is rounded if the device multiplies and adds in float32. That it does is known
for what it was asked once (:mod:`conformance.twin.device`); libraries may choose another algorithm for
another shape. So a few positions of every product are summed up over the output channels and compared with
the same sum in int64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from conformance.twin.exact import InexactError


class Checks:
    """What was compared during one run; the device is asked for the result once, at its end."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._distances: list[torch.Tensor] = []

    def compare(self, name: str, found: torch.Tensor, expected: torch.Tensor) -> None:
        """Remember how far two int64 tensors are from each other."""
        self._names.append(name)
        self._distances.append((found - expected).abs().amax())

    def taps(
        self,
        name: str,
        sums: torch.Tensor,
        planes: Sequence[torch.Tensor],
        offsets: Sequence[int],
        out: torch.Tensor,
    ) -> None:
        """Compare a few positions of what :func:`conformance.twin.products.sum_of_taps` made.

        :param sums: int64 [taps, groups, inputs, 1], the weights summed up over output channels.
        """
        at = positions(out.shape[2], out.device)
        read = torch.stack([p.index_select(2, at + o) for p, o in zip(planes, offsets, strict=True)])
        expected = (read.to(torch.int64) * sums).sum(dim=(0, 2))
        self.compare(name, out.index_select(2, at).to(torch.int64).sum(dim=1), expected)

    def require(self) -> None:
        """:raises InexactError: something was not the same."""
        if not self._distances:
            return
        distances = torch.stack(self._distances).cpu().tolist()
        for name, distance in zip(self._names, distances, strict=True):
            if distance:
                raise InexactError(f"{name}: products in float32 are {distance} off: the device rounds")


def positions(count: int, device: torch.device) -> torch.Tensor:
    """First, last and two between of ``count`` positions."""
    chosen = sorted({0, count // 3, 2 * count // 3, count - 1})
    return torch.tensor(chosen, dtype=torch.int64).to(device)
