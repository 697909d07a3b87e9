"""What is fuzzed: a reader, the errors that it may answer with, and data that it accepts.

A target gets any bytes. It returns in a word how they were received; whatever it raises is a finding.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

MutateBytes = Callable[[bytes, Random], bytes]
"""Changes bytes without knowing what they mean."""
Mutator = Callable[[bytes, Random, MutateBytes], bytes]
"""Changes data of a syntax that it knows."""
Run = Callable[[bytes], str]

MEMORY = 1 << 30
"""Address space that one execution may take beyond what the process holds before it."""


class Finding(AssertionError):
    """A reader did something else than giving a result or its declared error."""


class Disagreement(Finding):
    """Two engines, or a reader and a writer, differ."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    :param run: gives the bytes to the reader: ``ok``, or the name of the declared error.
    :param seeds: data to start from, most of it accepted.
    :param mutator: structure-aware changes; ``None`` for bytes alone.
    :param max_bytes: longest input that is tried.
    :param seconds: what one execution may take.
    :param share: part of a driver's time, relative to the other targets.
    :param modules: packages and modules whose lines count as covered.
    """

    name: str
    purpose: str
    run: Run
    seeds: Callable[[], Iterable[bytes]]
    mutator: Mutator | None = None
    max_bytes: int = 4096
    seconds: float = 5.0
    share: int = 1
    modules: Sequence[str] = ()


@cache
def targets() -> dict[str, Target]:
    """Every target by name."""
    from conformance.fuzz import (
        checkpoints,
        decodes,
        documents,
        foreign_decoders,
        headers,
        models,
        payloads,
        pictures,
        rectifiers,
    )

    modules = (
        headers,
        payloads,
        decodes,
        models,
        rectifiers,
        checkpoints,
        documents,
        pictures,
        foreign_decoders,
    )
    return {target.name: target for module in modules for target in module.TARGETS}


def answered(call: Callable[[], object], *declared: type[BaseException]) -> str:
    """Calls a reader: ``ok``, or the class of the declared error; any other error propagates.

    :raises Finding: the error's text is empty.
    """
    try:
        call()
    except declared as error:
        if not str(error).strip():
            raise Finding(f"{type(error).__name__} says nothing") from error
        return type(error).__name__
    return "ok"


def execute(target: Target, data: bytes) -> str:
    """Run a target once, with the processor time measured, which does not depend on what else runs.

    :raises Finding: it took longer than it may.
    """
    start = time.process_time()
    result = target.run(data)
    seconds = time.process_time() - start
    if seconds > target.seconds:
        raise Finding(f"{seconds:.1f} s for {len(data)} bytes, allowed are {target.seconds}")
    return result


def address_space() -> int:
    """Bytes that this process has mapped, which is what ``RLIMIT_AS`` counts."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


@contextmanager
def memory_limited(extra: int = MEMORY) -> Iterator[None]:
    """Within the block the process may take so many more bytes; an allocation beyond them fails."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    wanted = address_space() + extra
    most = wanted if before[1] == resource.RLIM_INFINITY else min(wanted, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if memory.is_dir() else None)


def file_of(data: bytes, name: str) -> Path:
    """The bytes as a file, for readers that take a path; every call replaces the last one of its name."""
    path = Path(_folder().name) / name
    path.write_bytes(data)
    return path
