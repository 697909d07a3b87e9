"""What every command line of the project does with arguments, input, errors, signals and exit codes.

Exit codes: 0 ok, 1 mismatch, 2 usage or a file of the caller's that is no good, 3 malformed stream,
4 unsupported feature, 5 limit exceeded, 70 internal error, 71 out of memory, 74 reading or writing failed,
128 + n ended by signal n: 129 hung up, 130 interrupted, 141 nobody reads stdout any more, 143 terminated.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from refdec.atomic_file import descriptor_of
from refdec.errors import BitstreamError, RefdecError

MISMATCH = 1
USAGE = 2
INTERNAL = 70
OUT_OF_MEMORY = 71
INPUT_OUTPUT = 74
HUNG_UP, INTERRUPTED, NO_READER, TERMINATED = 129, 130, 141, 143
AGAIN_SECONDS = 0.05
ENDINGS = {HUNG_UP: "hung up", INTERRUPTED: "interrupted", TERMINATED: "terminated"}


# Typer's parser raises this class; where it lives depends on Typer's version.
_WrongWords: type[Exception] = typer.BadParameter.__mro__[1]

JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of text, for errors too.")]


class UsageError(RefdecError):
    """An argument that cannot be used: a file that is not there, an option out of range."""

    exit_code = USAGE
    code = "usage"


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; errors become one line on stderr (a JSON object with ``--json``) and a code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with _orderly_ends(), _short_warnings():
        return _run(app, words, "--json" in words)


def _run(app: typer.Typer, words: list[str], as_json: bool) -> int:
    try:
        try:
            _print_anything()
            code = app(args=words, standalone_mode=False) or 0
        except SystemExit as stop:
            if isinstance(stop.__context__, BrokenPipeError):
                raise stop.__context__ from None
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else USAGE
        if code in ENDINGS:
            note(ENDINGS[code])
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except RefdecError as error:
        _report(error, str(error), as_json)
        return error.exit_code
    except _WrongWords as error:
        return _wrong_words(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        note(ENDINGS[INTERRUPTED])
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; nothing is left to say.
        _give_up_stdout()
        return NO_READER
    except Exception as error:
        return _failed(error, as_json)


def _wrong_words(error: Any, as_json: bool) -> int:
    """Report what the command line's own parser does not understand; a command without any word is helped."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return USAGE
    context = error.ctx
    text = error.format_message().removesuffix(".")
    _report(error, f"{text}; see {context.command_path} --help" if context else text, as_json, "usage")
    return USAGE


def _failed(error: Exception, as_json: bool) -> int:
    """Report what is neither an argument's nor a stream's fault; its exit code."""
    if lacks_memory(error):
        text = "out of memory; --max-memory sets a limit that is checked beforehand"
        _report(error, text, as_json, "memory")
        return OUT_OF_MEMORY
    if isinstance(error, OSError):
        # a full disk or a file that may not be written: the caller's to mend
        where = f" {error.filename}" if error.filename else ""
        _report(error, f"cannot read or write{where}: {error.strerror or error}", as_json, "io")
        _give_up_stdout()
        return INPUT_OUTPUT
    if os.environ.get("REFDEC_TRACEBACK"):
        raise error
    text = " ".join(str(error).split())
    text = f"internal error: {type(error).__name__}: {text} (REFDEC_TRACEBACK=1 shows where)"
    _report(error, text, as_json)
    return INTERNAL


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error comes from too little memory, which the loader of libraries says in other words."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, ImportError) and "failed to map segment" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _orderly_ends() -> Iterator[None]:
    """SIGTERM and SIGHUP end the process as SIGINT does: unfinished files are removed on the way out.
    The system keeps the exit codes of children, even where the caller ignores those of its own."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    if main and hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # What the caller ignores (nohup) stays ignored.
    taken = [n for n in numbers if main and signal.getsignal(n) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    unraisable = sys.unraisablehook

    def swallowed(facts: Any) -> None:
        # It fell into a library's callback, which no exception leaves: once more, when that is over.
        error = facts.exc_value
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):
            unraisable(facts)
            return
        code = error.code if isinstance(error, SystemExit) else None
        number = code - 128 if isinstance(code, int) and code > 128 else signal.SIGINT
        again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()

    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Python's warnings are one line each, without a place in the source."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {' '.join(str(message).split())}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


def _print_anything() -> None:
    """A file name may hold what the output's encoding has no character for: it is shown escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _give_up_stdout() -> None:
    """What cannot be written must not be tried again when the interpreter ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(line: str) -> None:
    """A line for the person who watches, on stderr if there is one."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def somebody_watches() -> bool:
    """Whether stderr is a terminal, so that progress can be shown on it."""
    return sys.stderr is not None and sys.stderr.isatty()


def read_input(name: str, max_bytes: int) -> bytes:
    """The bytes of a file, or of stdin for ``-``; of what has no length, not more than one byte beyond
    ``max_bytes`` is read.

    :raises UsageError: the file cannot be read.
    :raises ResourceLimitError: the file is longer than ``max_bytes``.
    """
    from refdec.input_file import read_codestream

    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("cannot read -: there is no standard input")
            return read_codestream(sys.stdin.buffer, max_bytes)
        with Path(name).open("rb") as file:
            return read_codestream(file, max_bytes)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror or error}") from error


def binary_stdout() -> IO[bytes]:
    """Standard output for bytes.

    :raises UsageError: it is closed.
    """
    if sys.stdout is None:
        raise UsageError("cannot write -: there is no standard output")
    return sys.stdout.buffer


def means_stdout(output: object) -> bool:
    """Whether an output is ``-`` or one of the names of the standard output."""
    return str(output) == "-" or descriptor_of(Path(str(output))) == 1


def require_writable(path: Path, suffix: str = "", source: str = "-") -> Path:
    """The path itself, if a file of that suffix can be made there.

    :param source: the command's input, which must not be overwritten.
    :raises UsageError: its folder does not exist or may not be written, it is a folder, the input or a file
        that may not be written, or its name ends in something else.
    """
    if str(path) == "-":
        raise UsageError("- as an output: expected a file name (./- for a file of that name)")
    if not path.name.endswith(suffix):
        raise UsageError(f"{path}: expected a file name that ends in {suffix}")
    try:
        _require_place(path, path.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links, a folder that may not be searched
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if source != "-" and path.is_file() and Path(source).is_file() and path.samefile(source):
        raise UsageError(f"{path} is the input, it would be overwritten")
    return path


def _require_place(path: Path, target: Path) -> None:
    if target.is_dir():
        raise UsageError(f"{path} is a folder, expected a file name")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent if path.is_symlink() else path.parent} is no folder")
    if descriptor_of(path) is not None:
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(f"{path} may not be written")
    if (target.is_file() or not target.exists()) and not os.access(target.parent, os.W_OK):
        raise UsageError(f"the folder {target.parent} may not be written")


def require_distinct(outputs: Mapping[str, Path | None]) -> None:
    """:raises UsageError: two options name the same file."""
    seen: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is not None:
            other = seen.setdefault(path.resolve(), option)
            if other != option:
                raise UsageError(f"{other} and {option} name the same file")


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of equal keys: a table for people; tab-separated lines, names first, if stdout is no terminal."""
    if not rows:
        return
    if sys.stdout is None or not sys.stdout.isatty():
        lines: list[list[object]] = [list(rows[0]), *(list(row.values()) for row in rows)]
        typer.echo("\n".join("\t".join(str(cell) for cell in line) for line in lines))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    Console().print(table)


def _report(error: BaseException, text: str, as_json: bool, code: str = "internal") -> None:
    line = " ".join(text.split())
    if as_json:
        facts = error.as_dict() if isinstance(error, BitstreamError) else {"error": type(error).__name__}
        line = json.dumps({"code": getattr(error, "code", code), "message": line, **facts})
    note(line)
