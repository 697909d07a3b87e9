"""Running the command lines, in this process and as real commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from refdec.command import run


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def call(app: typer.Typer, capsys: pytest.CaptureFixture[str], *words: object) -> Done:
    """In this process, through the function that the console script calls."""
    code = run(app, [str(word) for word in words])
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def command(
    module: str,
    *words: object,
    data: bytes | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> Done:
    """As a process of its own: ``python -m module``."""
    line: Sequence[str] = [sys.executable, "-m", module, *(str(word) for word in words)]
    done = subprocess.run(line, input=data, capture_output=True, cwd=cwd, env=env, timeout=120, check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
