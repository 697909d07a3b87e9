"""The executor that a command's options mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from conformance.executors.interface import Executor
from conformance.executors.local import InProcess
from conformance.executors.processes import Processes
from conformance.help_groups import RUNNING
from refdec.command import UsageError

JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=0,
        max=256,
        help="Processes; 0: in this one, without time-outs.",
        rich_help_panel=RUNNING,
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Work on a Dask cluster: its scheduler's address, or the file that it wrote.",
        rich_help_panel=RUNNING,
    ),
]


def local_executor(jobs: int) -> Executor:
    """Processes of this machine; 0: this one alone, without time-outs."""
    return Processes(jobs) if jobs else InProcess()


def require_one(jobs: int | None, dask: str | None) -> None:
    """:raises UsageError: both a number of processes and a cluster are asked for."""
    if jobs is not None and dask is not None:
        raise UsageError("--jobs are processes of this machine; with --dask the cluster says how many")


@contextmanager
def executor_for(jobs: int, dask: str | None) -> Iterator[Executor]:
    """A cluster if there is an address, else processes of this machine.

    :raises UsageError: the cluster cannot be used.
    """
    if dask is None:
        yield local_executor(jobs)
        return
    from conformance.executors.cluster import connected

    with connected(dask) as cluster:
        yield cluster
