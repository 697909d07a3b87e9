"""What all kernels of this engine are made of: one decorator, array types, unaligned words.

Every kernel has one explicit signature, is compiled, or read from Numba's cache, when it is first
needed, and releases the interpreter lock. Integer types only; tests look for floating point in the
compiled code.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from refdec.kernel_cache import keep_compiled
from refdec.python_kernels import COMPILED, PlainArray, PythonKernel, wrapped

Kernel: TypeAlias = Callable[..., int]

i64 = types.int64

# Conversions in kernels. Numba makes 64 bits of most sums of smaller integers; these say it.
wide: Any = np.int64
narrow: Any = np.int32
# An index that is known not to be negative: Numba then leaves out counting from the end.
at: Any = np.uint64


def reads(dtype: Any, dimensions: int = 1) -> Any:
    """Type of a C-contiguous array that a kernel only reads; it may be read-only."""
    return types.Array(dtype, dimensions, "C", readonly=True)


def writes(dtype: Any, dimensions: int = 1) -> Any:
    """Type of a C-contiguous array that a kernel writes."""
    return types.Array(dtype, dimensions, "C")


@cache
def sources() -> str:
    """Digest of all that is compiled into any kernel: this package, and the constants of the tables."""
    here = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for path in [*sorted(here.glob("*.py")), here.parent / "tables.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _file_digest(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


_compiling = RLock()


class OnDemand:
    """A kernel that is compiled by its first call, or by the compilation of a kernel that calls it.

    Most decodes need a part of the kernels only, and each costs time at start, cached or not.
    """

    def __init__(self, function: Kernel, signature: Any) -> None:
        self._function, self._signature = function, signature
        self._dispatcher: Any = None
        self.__doc__, self.__name__, self.__module__ = (
            function.__doc__,
            function.__name__,
            function.__module__,
        )

    def dispatcher(self) -> Any:
        """Numba's object, compiled for the one signature."""
        with _compiling:
            if self._dispatcher is None:
                # Kernels call those of other files and hold constants of others: all of them make up the
                # stamp of what is cached.
                dispatcher = keep_compiled(
                    njit(nogil=True, error_model="numpy")(self._function), self._stamp()
                )
                dispatcher.compile(self._signature)
                dispatcher.disable_compile()
                self._dispatcher = dispatcher
        return self._dispatcher

    def _stamp(self) -> str:
        return f"{sources()} {_file_digest(self._function.__code__.co_filename)}"

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher()._numba_type_

    def __call__(self, *arguments: Any) -> int:
        return cast("int", (self._dispatcher or self.dispatcher())(*arguments))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.dispatcher(), name)


def kernel(result: Any, *arguments: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function, on demand, for exactly one signature."""

    def on_demand(function: Kernel) -> Kernel:
        if not COMPILED:
            return PythonKernel(function)
        return OnDemand(function, result(*arguments))

    return on_demand


def _little_endian(builder: Any, word: Any) -> Any:
    return word if sys.byteorder == "little" else builder.bswap(word)


def _word_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, bits: int) -> Any:
    first = builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
    return builder.bitcast(first, ir.IntType(bits).as_pointer())


def typed(definition: Callable[..., Any]) -> Callable[..., Any]:
    """An intrinsic as its callers see it: without the typing context."""
    return cast("Callable[..., Any]", intrinsic(definition))


def _python_load(count: int, signed: bool) -> Callable[..., Any]:
    def load(array: PlainArray, index: int) -> int:
        data = array.array[index : index + count].tobytes() if index >= 0 else b""
        if len(data) != count:
            raise IndexError(f"{count} bytes from {index} of {array.size}")
        return int.from_bytes(data, "little", signed=signed)

    return load


def _python_store(array: PlainArray, index: int, word: int) -> None:
    if not 0 <= index <= array.size - 8:
        raise IndexError(f"8 bytes from {index} of {array.size}")
    array.array[index : index + 8] = np.frombuffer(wrapped(word, 64, False).to_bytes(8, "little"), np.uint8)


def typed_or(python: Callable[..., Any]) -> Callable[..., Any]:
    """:func:`typed`, or a function of the same meaning where nothing is compiled."""
    return lambda definition: typed(definition) if COMPILED else python


@typed_or(_python_load(8, signed=True))
def load_word(typingctx: Any, array: Any, index: Any) -> Any:
    """``int64``: the 8 bytes of a ``uint8`` array from ``index`` on, little-endian, any alignment.

    Nothing is checked here: the caller proves that all 8 bytes lie inside the array.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _word_pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        return _little_endian(builder, builder.load(pointer, align=1))

    return types.int64(array, types.int64), generate


@typed_or(_python_load(4, signed=False))
def load_four(typingctx: Any, array: Any, index: Any) -> Any:
    """``int64``: 4 bytes as :func:`load_word` reads 8; not negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _word_pointer(context, builder, signature.args[0], arguments[0], arguments[1], 32)
        word = _little_endian(builder, builder.load(pointer, align=1))
        return builder.zext(word, ir.IntType(64))

    return types.int64(array, types.int64), generate


@typed_or(_python_store)
def store_word(typingctx: Any, array: Any, index: Any, word: Any) -> Any:
    """The opposite of :func:`load_word`, with the same duty of the caller."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _word_pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        builder.store(_little_endian(builder, arguments[2]), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate
