"""A real cluster of Dask on this machine: two workers, one of which is killed while it works."""

from __future__ import annotations

import logging
import os
import queue
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.cli import app
from conformance.executors import Died, Done, InProcess, Raised, TimedOut, cluster
from conformance.executors.cluster import Cluster, ClusterError, connected
from conformance.generate.entry import SuiteSpec
from conformance.generate.run import generate_suite
from refdec.command import UsageError
from tests.cli.commands import call
from tests.executors.notes import work

distributed = pytest.importorskip("distributed")
SPEC = SuiteSpec(seed=3)
FEW = ("smallest", "map-threads-2")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler in this process, and two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as local:
        yield local.scheduler_address


@pytest.fixture
def two(address: str) -> Iterator[Cluster]:
    with connected(address) as found:
        yield found


def workers(two: Cluster) -> list[int]:
    return sorted(two._client.run(os.getpid).values())


def is_gone(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_worker_loses_nothing(two: Cluster, tmp_path: Path) -> None:
    """Its tasks are done again; each name has one result; what crashes or hangs takes nobody with it."""
    kinds = ["a", "crash", "bb", "raise", *("c" * n for n in range(3, 9)), "hang"]
    found: dict[str, object] = {}
    for name, result in two.run(work, {kind: (kind, tmp_path) for kind in kinds}, 2.0):
        assert name not in found
        found[name] = result
        if len(found) == 2:
            os.kill(workers(two)[0], signal.SIGKILL)
    good = [kind for kind in kinds if kind not in ("crash", "raise", "hang")]
    assert found == {
        **{kind: Done(len(kind)) for kind in good},
        "crash": Died(-signal.SIGSEGV),
        "raise": Raised("ValueError: two lines"),
        "hang": TimedOut(2.0),
    }
    done = [note.name.split(".")[0] for note in tmp_path.iterdir()]
    assert set(done) == set(kinds)


def test_closing_stops_the_work(two: Cluster, tmp_path: Path) -> None:
    """As an interrupted run does: what runs is ended, what waits is dropped, and the cluster is free."""
    kinds = ["a", *(f"hang{number}" for number in range(6))]
    results = two.run(work, {kind: (kind, tmp_path) for kind in kinds}, 600)
    assert next(results) == ("a", Done(1))
    while len(list(tmp_path.glob("hang*"))) < 2:
        time.sleep(0.05)
    results.close()
    numbers = [int(note.name.split(".")[1]) for note in tmp_path.glob("hang*")]
    deadline = time.monotonic() + 20
    while not all(map(is_gone, numbers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(is_gone, numbers))
    assert dict(two.run(work, {"next": ("next", tmp_path)}, 60)) == {"next": Done(4)}
    assert len(list(tmp_path.glob("hang*"))) == 2


def test_a_suite_is_the_same_without_a_cluster(
    two: Cluster, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made while a worker is killed; then verified."""
    plain = generate_suite(tmp_path / "plain", SPEC, InProcess(), only=FEW)
    seen: list[str] = []

    def progress(_done: int, _all: int, name: str) -> None:
        seen.append(name)
        if len(seen) == 1:
            os.kill(workers(two)[0], signal.SIGKILL)

    summary = generate_suite(tmp_path / "cluster", SPEC, two, only=FEW, progress=progress)
    assert summary == plain and len(seen) == len(set(seen)) == summary.made
    done = call(
        app, capsys, "verify", tmp_path / "cluster", "--only", "smallest", "--dask", address,
        "--engine", "golden", "--decoder", "cp {input} {output}", "--decoder-output", "raw",
    )  # fmt: skip
    assert done.code == 1 and "smallest\tpass\tmismatch\texternal: the output has" in done.out, done.err


def test_workers_that_are_other_programs(two: Cluster, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there are asked at once; one that comes later says so when it is given work."""

    class Other:
        def wait_for_workers(self, _count: int, timeout: float) -> None:
            pass

        def run(self, _work: object) -> dict[str, str]:
            return {"tcp://a:1": cluster.program_digest(), "tcp://b:2": "another"}

    with pytest.raises(UsageError, match=r"another version of refdec runs on tcp://b:2$"):
        cluster._require_workers(Other(), address)
    monkeypatch.setattr(cluster, "program_digest", lambda: "another")
    with pytest.raises(ClusterError, match="a worker runs another version"):
        list(two.run(work, {"a": ("a", Path())}, 10))


def test_the_options_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--dask", "tcp://127.0.0.1:9", "--jobs", 2)
    for words in (("generate", "-o", tmp_path / "x"), ("verify",), ("coverage", tmp_path)):
        done = call(app, capsys, *words, *common)
        assert done.code == 2 and "--jobs" in done.err


@pytest.mark.parametrize("place", ["tcp://127.0.0.1:9", "nowhere", "http://localhost:80", "file"])
def test_no_scheduler(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.3)
    if place == "file":
        place = str(tmp_path / "scheduler.json")
        Path(place).write_text('{"address": "tcp://127.0.0.1:9"}')
    start = time.monotonic()
    with pytest.raises(UsageError, match="no scheduler answers there"), connected(place):
        pass
    assert time.monotonic() - start < 15


def test_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", processes=False) as empty,
        pytest.raises(UsageError, match="the scheduler has no workers"),
        connected(empty.scheduler_address),
    ):
        pass


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match=r"refdec\[cluster\]"), connected("tcp://127.0.0.1:9"):
        pass


class Ended:
    """What a future says that ended badly."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def cancelled(self) -> bool:
        return self._error is None

    def result(self) -> None:
        assert self._error is not None
        raise self._error


def test_ends_that_no_task_has() -> None:
    """Workers that die over a task one after the other, a scheduler that is lost, no worker at all."""
    from distributed.scheduler import KilledWorker

    assert cluster._result_of(Ended(KilledWorker("task", None, 3))) == Died(None)
    assert cluster._result_of(Ended(ImportError("no module"))) == Raised("ImportError: no module")
    with pytest.raises(ClusterError, match="scheduler was lost"):
        cluster._result_of(Ended(None))


def test_a_cluster_without_workers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        def scheduler_info(self) -> dict[str, dict[str, str]]:
            return {"workers": {}}

    monkeypatch.setattr(cluster, "WORKERLESS_SECONDS", 0.0)
    with pytest.raises(ClusterError, match="no worker"):
        Cluster(Empty())._next(queue.Queue())
