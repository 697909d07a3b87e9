"""Compiled code on disk: damage, other versions, races and folders that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from numba import njit, types

from refdec import kernel_cache
from refdec.command import run
from refdec.kernel_cache import SUFFIX, KernelCacheWarning, keep_compiled
from tests.faults.conftest import files_of_at_most

SUITE = Path(__file__).parents[2] / "conformance/photos"
I64 = types.int64
PAIR = I64(I64, I64)


def sample(a: int, b: int) -> int:
    """What is compiled in these tests."""
    return 3 * a - b


def other(a: int, b: int) -> int:
    """Something else, with the same signature."""
    return a * b


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Use these folders, and warn anew."""

    def them(*paths: Path) -> None:
        monkeypatch.setattr(kernel_cache, "folders", lambda _source: iter(paths))
        kernel_cache._warn.cache_clear()

    return them


def compiled(function: Callable[..., int] = sample, stamp: str = "1", signature: Any = PAIR) -> Any:
    dispatcher = keep_compiled(njit(nogil=True)(function), stamp)
    dispatcher.compile(signature)
    return dispatcher


def hits(dispatcher: Any) -> int:
    assert dispatcher(5, 2) == dispatcher.py_func(5, 2)
    return sum(dispatcher.stats.cache_hits.values())


def kept(folder: Path) -> list[Path]:
    assert [path for path in folder.iterdir() if path.suffix != SUFFIX] == []
    return sorted(folder.iterdir())


def test_code_is_kept_and_used_again(tmp_path: Path, use: Any) -> None:
    use(tmp_path / "deep" / "new")
    assert [hits(compiled()) for _ in range(3)] == [0, 1, 1]
    assert len(kept(tmp_path / "deep" / "new")) == 1


def test_damaged_files_are_compiled_anew(tmp_path: Path, use: Any) -> None:
    use(tmp_path)
    compiled()
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    flipped = [bytearray(whole) for _ in range(6)]
    for number, data in enumerate(flipped):
        data[number * (len(data) - 1) // 5] ^= 1 << number
    for data in (b"", whole[:10], whole[:-1], whole + b"x", bytes(len(whole)), *map(bytes, flipped)):
        file.write_bytes(data)
        use(tmp_path)
        with pytest.warns(KernelCacheWarning, match="damaged; compiling anew"):
            assert hits(compiled()) == 0
        assert hits(compiled()) == 1, "it was replaced by a whole one"


def test_a_file_under_another_name_is_not_used(tmp_path: Path, use: Any) -> None:
    use(tmp_path)
    compiled()
    (first,) = kept(tmp_path)
    compiled(other)
    (second,) = set(kept(tmp_path)) - {first}
    second.write_bytes(first.read_bytes())
    use(tmp_path)
    with pytest.warns(KernelCacheWarning, match="damaged"):
        assert hits(compiled(other)) == 0


def test_content_of_another_numba_is_compiled_anew(tmp_path: Path, use: Any) -> None:
    use(tmp_path)
    compiled()
    (file,) = kept(tmp_path)
    for payload in (b"no pickle", b"\x80\x04N."):
        file.write_bytes(kernel_cache._digest(file.name, payload) + payload)
        use(tmp_path)
        with pytest.warns(KernelCacheWarning, match="cannot be used"):
            assert hits(compiled()) == 0


def test_other_sources_versions_processors_and_signatures_have_files_of_their_own(
    tmp_path: Path, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path)
    compiled()
    (first,) = kept(tmp_path)
    i32 = types.int32
    assert not compiled(signature=i32(i32, i32)).stats.cache_hits and len(kept(tmp_path)) == 2
    monkeypatch.setattr(type(compiled()._compiler.targetdescr.target_context.codegen()), "magic_tuple",
                        lambda _self: ("x86_64", "another", "+features"))  # fmt: skip
    assert hits(compiled()) == 0 and len(kept(tmp_path)) == 3
    monkeypatch.undo()
    use(tmp_path)
    assert hits(compiled()) == 1 and first in kept(tmp_path)
    monkeypatch.setattr(kernel_cache.numba, "__version__", "99.0")
    use(tmp_path)
    assert hits(compiled()) == 0 and first not in kept(tmp_path), "what no longer fits is removed"
    assert hits(compiled(stamp="2")) == 0 and len(kept(tmp_path)) == 1


def test_the_first_folder_that_can_be_written_is_used_and_all_are_read(tmp_path: Path, use: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    blocked, good = tmp_path / "file" / "cache", tmp_path / "good"
    use(blocked, good)
    assert hits(compiled()) == 0 and len(kept(good)) == 1
    use(tmp_path / "empty", good)
    assert hits(compiled()) == 1 and not (tmp_path / "empty").exists()


def test_without_any_folder_there_is_one_warning_and_the_right_result(tmp_path: Path, use: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    use(tmp_path / "file" / "cache")
    with pytest.warns(KernelCacheWarning, match="NUMBA_CACHE_DIR") as seen:
        assert [hits(compiled()), hits(compiled())] == [0, 0]
    assert len(seen) == 1
    use()
    with pytest.warns(KernelCacheWarning, match="no home folder"):
        assert hits(compiled()) == 0


def test_a_full_disk_is_a_warning(tmp_path: Path, use: Any) -> None:
    use(tmp_path)
    with files_of_at_most(1000), pytest.warns(KernelCacheWarning, match="cannot be kept"):
        assert hits(compiled()) == 0
    assert kept(tmp_path) == []


def test_writers_at_the_same_time(tmp_path: Path, use: Any) -> None:
    use(tmp_path)
    dispatcher = compiled()
    (file,) = kept(tmp_path)
    whole, (result,) = file.read_bytes(), dispatcher.overloads.values()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: dispatcher._cache.save_overload(result.signature, result), range(40)))
    assert kept(tmp_path) == [file] and len(file.read_bytes()) == len(whole) and hits(compiled()) == 1


def test_which_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = Path(kernel_cache.__file__)
    monkeypatch.setattr(kernel_cache.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (alone,) = kernel_cache.folders(source)
    assert alone.parent == tmp_path
    monkeypatch.setattr(kernel_cache.config, "CACHE_DIR", "")
    beside, last = kernel_cache.folders(source)
    assert beside == source.parent / "__pycache__" and last.parent == tmp_path / "home/refdec"

    def homeless(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert list(kernel_cache.folders(source)) == [beside]


def test_a_warning_of_a_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    app, before = typer.Typer(), warnings.formatwarning

    @app.command()
    def go() -> None:
        print(warnings.formatwarning("two\nlines", KernelCacheWarning, __file__, 1), end="")

    assert run(app, []) == 0 and warnings.formatwarning is before
    assert capsys.readouterr().out == "warning: two lines\n"


@pytest.mark.slow
def test_two_cold_processes_at_once(tmp_path: Path) -> None:
    """Two decodes fill one empty cache; a third, whose cache was damaged afterwards, still decodes."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, "-m", "refdec", "decode", str(SUITE / "streams/smallest.jai")]
    names = ["a.ppm", "b.ppm", "c.ppm", "d.ppm"]

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*line, str(tmp_path / name)], env=environment, stderr=subprocess.PIPE, text=True
        )

    for process in [start(name) for name in names[:2]]:
        assert process.communicate(timeout=1800)[1] == "" and process.returncode == 0
    files = sorted((tmp_path / "cache").rglob("*"))
    kernels = [path for path in files if path.suffix == SUFFIX]
    assert kernels and {path.suffix for path in files if path.is_file()} == {SUFFIX}
    third = start(names[2])
    assert third.communicate(timeout=1800)[1] == "" and third.returncode == 0
    for path in kernels:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    fourth = start(names[3])
    said = fourth.communicate(timeout=1800)[1]
    assert fourth.returncode == 0 and said.count("is damaged; compiling anew") == said.count("\n") > 0
    assert len({(tmp_path / name).read_bytes() for name in names}) == 1
