"""Kernels without a compiler: the same program text, run by Python on Python's integers.

With ``NUMBA_DISABLE_JIT=1`` nothing is compiled. NumPy's scalars would then decide what sums are: of 8 bits
where the compiled kernel has 64, with warnings where bits are lost. So kernels see none: elements of arrays
are read as ``int``, which never wraps, and only where the program says so (a conversion, a store) are bits
dropped. It is slow, and meant for small pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import config

COMPILED = not getattr(config, "DISABLE_JIT", False)
"""Whether kernels are compiled: for the whole life of a process."""

Kernel = Callable[..., Any]


class PlainArray:
    """An array whose elements are ``int``: reading is exact, storing drops bits beyond the array's type."""

    __slots__ = ("_bits", "_signed", "array")

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        self._bits = 8 * array.dtype.itemsize
        self._signed = array.dtype.kind == "i"

    def __getitem__(self, place: Any) -> Any:
        found = self.array[place]
        return PlainArray(found) if isinstance(found, np.ndarray) else int(found)

    def __setitem__(self, place: Any, value: int) -> None:
        self.array[place] = wrapped(int(value), self._bits, self._signed)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return self.array.shape

    @property
    def size(self) -> int:
        """As of the array."""
        return self.array.size

    @property
    def ctypes(self) -> Any:
        """As of the array."""
        return self.array.ctypes


def wrapped(value: int, bits: int, signed: bool) -> int:
    """``value`` modulo ``2^bits``, in two's complement where signed."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _conversion(dtype: Any) -> Kernel:
    kind = np.dtype(dtype)
    bits, signed = 8 * kind.itemsize, kind.kind == "i"

    def convert(value: int) -> int:
        return wrapped(int(value), bits, signed)

    convert.dtype = kind  # type: ignore[attr-defined]
    return convert


TYPES: tuple[Any, ...] = (
    *(np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint16, np.uint32, np.uint64),
)
CONVERSIONS: dict[Any, Kernel] = {kind: _conversion(kind) for kind in TYPES}


class _Numpy:
    """The few names of NumPy that kernels use."""

    def __getattr__(self, name: str) -> Kernel:
        return CONVERSIONS[getattr(np, name)]

    @staticmethod
    def empty(shape: Any, kind: Any) -> PlainArray:
        """What nobody may read before it is written is filled with a conspicuous value."""
        return PlainArray(np.full(shape, 85, kind.dtype))


class PythonKernel:
    """A kernel that Python runs. Its module's names mean the same, but of integers without a width."""

    def __init__(self, function: Kernel) -> None:
        self._function = cast("FunctionType", function)
        self._plain: Kernel | None = None
        self.__doc__, self.__name__, self.__module__ = (
            function.__doc__,
            function.__name__,
            function.__module__,
        )

    def __call__(self, *arguments: Any) -> Any:
        if self._plain is None:
            self._plain = self._with_plain_names()
        return self._plain(*(plain(value) for value in arguments))

    def _with_plain_names(self) -> Kernel:
        # At the first call, when all modules are complete.
        f = self._function
        names = {name: _plain_name(value) for name, value in f.__globals__.items()}
        return FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)


def plain(value: Any) -> Any:
    """An argument as kernels see it."""
    if isinstance(value, np.ndarray):
        return PlainArray(value)
    return value if isinstance(value, PlainArray | tuple) else int(value)


def _plain_name(value: Any) -> Any:
    if value is np:
        return _Numpy()
    return CONVERSIONS[value] if isinstance(value, type) and value in CONVERSIONS else value
