"""``refconf verify``: suites, decoders and reports put together."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from conformance.executors.choose import executor_for
from conformance.suite.records import PictureSuite, is_picture_suite, open_pictures
from conformance.verify.engines import ENGINES
from conformance.verify.external import parse_command
from conformance.verify.outcome import Outcome
from conformance.verify.run import DEFAULT_ENGINES, Options, default_jobs, verify_pictures
from conformance.verify.suite import Suite, bundled_suite, open_suite, require_suite
from conformance.verify.verifier import ENGINES as VECTOR_ENGINES
from conformance.verify.verifier import verify_suite
from refdec.command import UsageError, somebody_watches

BUNDLED_PICTURES = "photos"


@dataclass(frozen=True)
class Request:
    """What the caller wants; see the options of the command."""

    suite: Path | None
    engines: tuple[str, ...] | None
    decoder: str | None
    decoder_output: str
    models: Path | None
    jobs: int | None
    timeout: float
    only: tuple[str, ...] | None
    html: Path | None
    dask: str | None = None


def verify(request: Request) -> list[Outcome]:
    """Run what is asked for, and write the HTML report if one is wanted.

    :raises UsageError: an option that cannot be used.
    :raises SuiteError: a suite that cannot be read.
    """
    options = _options(request)
    vectors, pictures = _suites(request)
    if request.html is not None:
        from conformance.verify.html_report import require_jinja

        require_jinja()
        if pictures is None:
            raise UsageError("--html shows pictures, and this suite has none")
    outcomes: list[Outcome] = []
    show = _progress()
    engines = tuple(e for e in options.engines if e in VECTOR_ENGINES)
    if vectors is not None and engines and request.only is None:
        outcomes += verify_suite(vectors, engines, show)
    if pictures is not None:
        start = time.perf_counter()
        with ExitStack() as stack:
            if request.dask is not None:
                cluster = stack.enter_context(executor_for(0, request.dask))
                options = replace(options, executor=cluster)
            found = verify_pictures(pictures, options, lambda o: show(f"{o.name} {o.decoder}: {o.status}"))
        outcomes += found
        if request.html is not None:
            from conformance.verify.html_report import write_html

            write_html(request.html, pictures, found, time.perf_counter() - start)
    show("")
    return outcomes


def _options(request: Request) -> Options:
    for name in request.engines or ():
        if name not in ENGINES:
            raise UsageError(f"--engine {name}: expected {', '.join(ENGINES)}")
    command = None
    if request.decoder is not None:
        command = parse_command(request.decoder, request.decoder_output)
    default = () if command is not None else DEFAULT_ENGINES
    return Options(
        engines=tuple(dict.fromkeys(request.engines or default)),
        asked=request.engines is not None,
        command=command,
        models=request.models,
        jobs=default_jobs() if request.jobs is None else request.jobs,
        timeout=request.timeout,
        only=None if request.only is None else frozenset(request.only),
        keep=request.html is not None,
    )


def _suites(request: Request) -> tuple[Suite | None, PictureSuite | None]:
    if request.suite is None:
        return bundled_suite(), open_pictures(bundled_folder())
    if is_picture_suite(request.suite):
        return None, open_pictures(request.suite)
    require_suite(request.suite)
    if request.decoder is not None or request.only is not None:
        raise UsageError(f"{request.suite} holds no pictures; --decoder and --only need a suite of pictures")
    return open_suite(request.suite), None


def bundled_folder() -> Path:
    """Folder of the suite of pictures that comes with the package."""
    return Path(str(files("conformance").joinpath(BUNDLED_PICTURES)))


def _progress() -> Callable[[str], None]:
    """Shows one line that changes, where somebody watches."""
    if not somebody_watches():
        return lambda _line: None

    def show(line: str) -> None:
        sys.stderr.write(f"\r\033[K{line[:100]}")
        sys.stderr.flush()

    return show
