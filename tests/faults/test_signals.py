"""Commands that are interrupted, terminated or killed in the middle of their output."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from refdec.atomic_file import PARTIAL
from refdec.command import INTERRUPTED, TERMINATED, run
from tests.faults.conftest import SMALLEST, leftovers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them"
)
MEGAPIXEL = SMALLEST.with_name("megapixel.jai")

SLOW_DISK = """
import sys, time
import numpy as np
import refdec.decode_command as command
from refdec.cli import app
from refdec.command import run
from refdec.picture import Picture

def write(picture, file, kind):
    file.write(bytes(100000))
    file.flush()
    print("writing", flush=True)
    time.sleep(60)

plane = np.zeros((64, 64), np.uint8)
command.decode_picture = lambda *_, **__: Picture((plane, plane, plane), "RGB", 8, (1, 1))
command.write = write
sys.exit(run(app, sys.argv[1:]))
"""
"""A decode that has written a part of its picture, says so and waits."""


@contextmanager
def started(*line: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, which is gone afterwards."""
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def alive(number: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize(
    "number, codes, said",
    [
        # Python ends itself with SIGINT where the interruption met text that was being executed.
        (signal.SIGINT, (INTERRUPTED, -signal.SIGINT), "interrupted\n"),
        (signal.SIGTERM, (TERMINATED,), "terminated\n"),
        (signal.SIGKILL, (-signal.SIGKILL,), ""),
    ],
)
def test_a_picture_that_is_not_finished_is_not_there(
    number: signal.Signals, codes: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    with started(sys.executable, "-c", SLOW_DISK, "decode", str(SMALLEST), str(output)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        (partial,) = leftovers(tmp_path)
        assert partial.startswith(".out.png.") and partial.endswith(PARTIAL)
        process.send_signal(number)
        _, error = process.communicate(timeout=300)
    assert process.returncode in codes and error == said
    assert leftovers(tmp_path) == ([partial] if number == signal.SIGKILL else [])
    if number == signal.SIGKILL:
        line = [sys.executable, "-m", "refdec", "decode", str(SMALLEST), str(output)]
        subprocess.run(line, check=True, capture_output=True)
        assert leftovers(tmp_path) == [partial, "out.png"], "what is left does not disturb"


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """Such as by nohup."""
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{SLOW_DISK}".replace("60", "1")
    output = str(tmp_path / "out.png")
    with started(sys.executable, "-c", code, "decode", str(SMALLEST), output) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=300)
    assert process.returncode == 0 and leftovers(tmp_path) == ["out.png"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_a_signal_that_falls_into_a_callback_is_not_lost(number: int, code: int, capsys: Any) -> None:
    """Compilation calls back from machine code, which exceptions cannot leave."""
    app = typer.Typer()
    callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(number))

    @app.command()
    def go() -> None:
        callback()
        time.sleep(60)

    before, start = sys.unraisablehook, time.monotonic()
    assert run(app, []) == code and sys.unraisablehook is before
    assert time.monotonic() - start < 50 and "Traceback" not in capsys.readouterr().err


def descendants(number: int) -> set[int]:
    """Processes that a process started, and theirs."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == number:
            child = int(path.parent.name)
            found |= {child} | descendants(child)
    return found


WORKERS = """
import sys, time
from conformance.executors.processes import Processes
from refdec.command import run
import typer

app = typer.Typer()

@app.command()
def go():
    print("started", flush=True)
    for name, result in Processes(2).run(time.sleep, {"a": 0, "b": 0, "c": 90.0, "d": 90.0}, 120):
        print(name, flush=True)

if __name__ == "__main__":
    sys.exit(run(app, []))
"""
"""Two workers that have shown that they run, and are busy."""


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent_and_say_nothing(number: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WORKERS)
    with started(sys.executable, str(script)) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["started\n", "a\n", "b\n"]
        workers = descendants(process.pid)
        assert len(workers) >= 2
        # Ctrl-C goes to everybody, the others to one.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, error = process.communicate(timeout=300)
        deadline = time.monotonic() + 100
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, workers))
    said = {signal.SIGINT: "interrupted\n", signal.SIGTERM: "terminated\n"}
    assert error == said.get(number, "")


def test_exit_codes_of_children_are_kept_where_the_caller_ignores_its_own() -> None:
    """Some supervisors ignore SIGCHLD, and what they start inherits that: the system then forgets how a child
    ended, and every decoder would be judged by nothing."""
    app, found = typer.Typer(), []

    @app.command()
    def command() -> None:
        found.append(
            subprocess.run([sys.executable, "-S", "-c", "raise SystemExit(3)"], check=False).returncode
        )

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run(app, []) == 0
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert found == [3]


def used_by(number: int) -> float:
    """Processor seconds of a process so far, 0 if it is gone."""
    try:
        words = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def used_by_children() -> float:
    """The same of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.slow
@needs_proc
def test_a_decode_ends_at_once_wherever_it_is(tmp_path: Path) -> None:
    """Real decodes, interrupted at twenty moments, with less than a second of work after that; the picture is
    there whole or not at all."""
    output = tmp_path / "out.png"
    line = [sys.executable, "-m", "refdec", "decode", str(MEGAPIXEL), str(output)]
    subprocess.run(line, check=True, capture_output=True)
    picture = output.read_bytes()
    used = used_by_children()  # the kernels are compiled by now
    subprocess.run(line, check=True, capture_output=True)
    whole = used_by_children() - used
    output.unlink()
    for number in range(1, 21):
        which, used = (signal.SIGINT, signal.SIGTERM)[number % 2], used_by_children()
        with started(*line) as process:
            # Before that, it is Python that starts.
            while process.poll() is None and used_by(process.pid) < 0.15 + whole * number / 20:
                time.sleep(0.01)
            before = used_by(process.pid)
            running = process.poll() is None
            process.send_signal(which)
            _, error = process.communicate(timeout=300)
        assert "Traceback" not in error
        assert not running or used_by_children() - used - before < 1
        if leftovers(tmp_path):
            assert leftovers(tmp_path) == ["out.png"] and output.read_bytes() == picture
            output.unlink()
