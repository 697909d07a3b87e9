"""A cluster of Dask: tasks by name on any number of machines, each in a process of its own.

A worker of Dask does a task in a child process, as :class:`conformance.executors.processes.Processes` does:
a task that crashes or hangs takes its child with it and nothing else. A worker that is lost is Dask's to
notice: its tasks are done again by another, and a name has one result whatever was done twice.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import queue
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.executors.interface import Died, Done, Raised, Result, Task, TimedOut, raised
from conformance.executors.processes import STOP_SECONDS, Worker
from conformance.program import program_digest
from refdec.command import UsageError
from refdec.errors import RefdecError

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 10.0
WORKERLESS_SECONDS = 120.0
"""How long a cluster may be without any worker while work is waiting."""
IDLE_SECONDS = 120.0
"""How long a child waits for the next task before it ends: whoever gives tasks may be gone."""


class ClusterError(RefdecError):
    """A cluster that was lost, or that runs another program."""

    code = "cluster"


class Cluster:
    """Does tasks on a cluster. What tasks read from disk must be at the same path on every machine."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(
        self, work: Callable[[Task], Any], tasks: Mapping[str, Task], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        """See :class:`conformance.executors.interface.Executor`.

        :raises ClusterError: the scheduler is lost, no worker is left, or one runs another program.
        """
        run = f"refconf-{uuid.uuid4().hex}"
        ended: queue.Queue[Future] = queue.Queue()
        # The work is a result of its own: it travels to a worker once, and again if that one is lost.
        common = self._client.submit(_same, (work, timeout, run, program_digest()), key=f"{run} work")
        futures = self._client.map(
            _perform, list(tasks.values()), key=[f"{run} {n}" for n in tasks], job=common
        )
        names = {future.key: name for future, name in zip(futures, tasks, strict=True)}
        try:
            for future in futures:
                future.add_done_callback(ended.put)
            while names:
                future = self._next(ended)
                name = names.pop(future.key, None)
                if name is not None:
                    yield name, _result_of(future)
        finally:
            with suppress(Exception):
                self._client.cancel([common, *futures], force=True)
                self._client.run(_stop, run, on_error="ignore")

    def _next(self, ended: queue.Queue[Future]) -> Future:
        last_seen = time.monotonic()
        while True:
            with suppress(queue.Empty):
                return ended.get(timeout=1.0)
            if self._client.scheduler_info()["workers"]:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > WORKERLESS_SECONDS:
                raise ClusterError(f"the cluster has had no worker for {WORKERLESS_SECONDS:g} s")


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster by the address of its scheduler, or by the file that the scheduler wrote.

    :raises UsageError: Dask is not installed, there is no scheduler, it has no workers, or they run another
        program.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(f"--dask needs Dask: pip install 'refdec[cluster]' ({error})") from error
    try:
        file = Path(address)
        place = json.loads(file.read_text(encoding="utf-8"))["address"] if file.is_file() else address
        # A client that finds nobody cannot be put away without a long wait: somebody else knocks first.
        asyncio.run(_knock(place))
        client = Client(place, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"--dask {address}: no scheduler answers there ({_line(error)})") from error
    with client:
        _require_workers(client, address)
        yield Cluster(client)


async def _knock(address: str) -> None:
    from distributed.comm import connect

    comm = await connect(address, timeout=CONNECT_SECONDS)
    await comm.close()


def _require_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise UsageError(f"--dask {address}: the scheduler has no workers") from error
    try:
        digests = client.run(program_digest)
    except Exception as error:
        # Whatever keeps a worker from importing this program.
        raise UsageError(f"--dask {address}: a worker cannot run refconf ({_line(error)})") from error
    others = sorted(worker for worker, digest in digests.items() if digest != program_digest())
    if others:
        raise UsageError(f"--dask {address}: another version of refdec runs on {', '.join(others)}")


def _result_of(future: Future) -> Result:
    from distributed.scheduler import KilledWorker

    if future.cancelled():
        raise ClusterError("the connection to the scheduler was lost")
    try:
        result: Result = future.result()
    except KilledWorker:
        # One worker after the other was lost over it: none of them lived to say how.
        return Died(None)
    except ClusterError:
        raise
    except Exception as error:
        return raised(error)
    assert isinstance(result, (Done, Raised, Died, TimedOut))
    return result


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


Job = tuple[Callable[[Any], Any], float, str, str]
"""The work, seconds for a task, the run that asks, and the program that it is."""


def _same(job: Job) -> Job:
    return job


class _Children:
    """Children of this worker, by the run that they work for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[Worker[Any]]] = {}
        self._busy: dict[str, list[Worker[Any]]] = {}
        self._stopped: set[str] = set()

    def take(self, run: str, work: Callable[[Any], Any]) -> Worker[Any] | None:
        """A child that is idle, or a new one; ``None``: the run is over."""
        with self._lock:
            if run in self._stopped:
                return None
            idle = self._idle.get(run, [])
            while idle:
                child = idle.pop()
                if child.process.exitcode is None:
                    break
                child.stop()
            else:
                # Dask starts its workers as daemons, which must not have children; these end by themselves.
                multiprocessing.current_process().daemon = False
                child = Worker(work, IDLE_SECONDS)
            self._busy.setdefault(run, []).append(child)
            return child

    def give_back(self, run: str, child: Worker[Any]) -> None:
        """A child that did its task, well or not."""
        with self._lock:
            if run not in self._stopped:
                self._busy[run].remove(child)
                if child.process.exitcode is None:
                    self._idle.setdefault(run, []).append(child)

    def stop(self, run: str) -> None:
        """End all children of a run, for good."""
        with self._lock:
            self._stopped.add(run)
            children = self._busy.pop(run, []) + self._idle.pop(run, [])
        for child in children:
            child.process.terminate()
        threading.Thread(target=_bury, args=(children,), daemon=True).start()


def _bury(children: list[Worker[Any]]) -> None:
    time.sleep(STOP_SECONDS)
    for child in children:
        child.process.kill()
        child.process.join(STOP_SECONDS)


_children = _Children()


def _perform(task: Any, job: Job) -> Result:
    """What a worker does: one task, in a child."""
    work, timeout, run, program = job
    if program != program_digest():
        raise ClusterError("a worker runs another version of refdec")
    child = _children.take(run, work)
    if child is None:
        return Died(None)
    try:
        return child.do(task, timeout)
    finally:
        _children.give_back(run, child)


def _stop(run: str) -> None:
    _children.stop(run)
