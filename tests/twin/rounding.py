"""Devices that round products of float32, played by a layer below PyTorch's operations."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def bfloat16(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.bfloat16).to(torch.float32)


def float16(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float16).to(torch.float32)


def tf32(x: torch.Tensor) -> torch.Tensor:
    """10 bits behind the leading one, to nearest."""
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def product(kind: str, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """What a device of a kind gives for ``a @ b``."""
    once = {"bfloat16": bfloat16, "float16": float16, "tf32": tf32}
    if kind in once:
        return torch.matmul(once[kind](a), once[kind](b))
    if kind in ("three bfloat16", "three tf32"):
        part = once[kind.split()[1]]
        high, low = (part(a), part(b)), (part(a - part(a)), part(b - part(b)))
        out = torch.matmul(high[0], high[1]) + torch.matmul(high[0], low[1])
        return out + torch.matmul(low[0], high[1])
    assert kind == "short sums"
    out = torch.matmul(a, b)
    return torch.where(out.abs() >= 2**23, torch.floor(out / 2) * 2, out)


KINDS = ("bfloat16", "float16", "tf32", "three bfloat16", "three tf32", "short sums")


class Rounding(TorchDispatchMode):
    """Products are those of a device of a kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.rounded = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operands = {aten.mm: 0, aten.bmm: 0, aten.addmm_: 1, aten.baddbmm_: 1}.get(function.overloadpacket)
        if operands is None:
            return function(*args, **kwargs)
        a, b = args[operands : operands + 2]
        self.rounded += 1
        out = product(self.kind, a, b)
        if operands == 0:
            return out
        old = args[0]
        return old.copy_(out if kwargs.get("beta", 1) == 0 else old + out)


class Watching(TorchDispatchMode):
    """Notes operations and the floating types that any of them makes."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: set[str] = set()
        self.floats: set[torch.dtype] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        self.operations.add(function.overloadpacket.__name__)
        for value in out if isinstance(out, (list, tuple)) else (out,):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                self.floats.add(value.dtype)
        return out
