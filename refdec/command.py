"""What every command line of the project does with arguments, input, errors and exit codes.

Exit codes: 0 ok, 1 mismatch, 2 usage or a file of the caller's that is no good, 3 malformed stream,
4 unsupported feature, 5 limit exceeded, 70 internal error, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from refdec.errors import BitstreamError, RefdecError

MISMATCH = 1
USAGE = 2
INTERNAL = 70
INTERRUPTED = 130


JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of text, for errors too.")]


class UsageError(RefdecError):
    """An argument that cannot be used: a file that is not there, an option out of range."""

    exit_code = USAGE
    code = "usage"


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; errors become one line on stderr (a JSON object with ``--json``) and a code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=words)
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else USAGE
    except RefdecError as error:
        _report(error, str(error), "--json" in words)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; nothing is left to say, and nothing must be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERNAL
    except MemoryError as error:
        _report(
            error, "out of memory; --max-memory sets a limit that is checked beforehand", "--json" in words
        )
        return INTERNAL
    except OSError as error:
        # a full disk or a file that may not be written: the caller's to mend
        where = f" {error.filename}" if error.filename else ""
        _report(error, f"cannot read or write{where}: {error.strerror or error}", "--json" in words)
        return USAGE
    except Exception as error:
        if os.environ.get("REFDEC_TRACEBACK"):
            raise
        text = " ".join(str(error).split())
        _report(
            error,
            f"internal error: {type(error).__name__}: {text} (REFDEC_TRACEBACK=1 shows where)",
            "--json" in words,
        )
        return INTERNAL


def read_input(name: str, max_bytes: int) -> bytes:
    """The bytes of a file, or of stdin for ``-``; not more than one byte beyond ``max_bytes`` is read.

    :raises UsageError: the file cannot be read.
    """
    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("cannot read -: there is no standard input")
            return sys.stdin.buffer.read(max_bytes + 1)
        with Path(name).open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror or error}") from error


def require_writable(path: Path, suffix: str = "", source: str = "-") -> Path:
    """The path itself, if a file of that suffix can be made there.

    :param source: the command's input, which must not be overwritten.
    :raises UsageError: its folder does not exist, it is a folder or the input, or its name ends in something
        else.
    """
    if not path.name.endswith(suffix):
        raise UsageError(f"{path}: expected a file name that ends in {suffix}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected a file name")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder")
    if source != "-" and path.is_file() and Path(source).is_file() and path.samefile(source):
        raise UsageError(f"{path} is the input, it would be overwritten")
    return path


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of equal keys: a table for people; tab-separated lines, names first, if stdout is no terminal."""
    if not rows:
        return
    if not sys.stdout.isatty():
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


def _report(error: BaseException, text: str, as_json: bool) -> None:
    line = " ".join(text.split())
    if as_json:
        facts = error.as_dict() if isinstance(error, BitstreamError) else {"error": type(error).__name__}
        line = json.dumps({"code": getattr(error, "code", "internal"), "message": line, **facts})
    sys.stderr.write(line + "\n")
