"""What surrounds the program and must not reach a bit: hash seed, locale, order of files, threads."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

SCRIPT = """
import hashlib, json, os, pathlib, sys, tempfile

if os.environ.get("FILES") == "backwards":
    listdir, scandir = os.listdir, os.scandir
    class Backwards(list):
        def __enter__(self): return self
        def __exit__(self, *_): pass
        def close(self): pass
    os.listdir = lambda *a: listdir(*a)[::-1]
    os.scandir = lambda *a: Backwards(list(scandir(*a))[::-1])
    pathlib.Path.iterdir = lambda self: (self / name for name in os.listdir(self))

from conformance.evidence import collect
from conformance.generate.entry import SuiteSpec
from conformance.executors.choose import executor_for
from conformance.generate.run import generate_suite
from conformance.verify.synthetic import entropy_model
from refdec.codestream import parse
from refdec.codestream.describe import describe
from refdec.integer.model_file import load_model, save_model
from refdec.models_io import bundled_models

pictures = collect.suites(None)[1]
record = next(r for r in pictures.records if r.name == "smallest")
out = {}
for engine in ("golden", "jit"):
    voice = collect.Voice(engine, THREADS)
    streams = collect.collect(pictures, voice, ("smallest", "bad-twice"), None, None, str)
    out[engine] = collect.by_stage(streams)
    assert all(s.agrees for s in streams)
out["models"] = bundled_models().digests(0, ("entropy", "latent", "sop"))
out["sources"] = collect.sources()
out["fields"] = repr(describe(parse(pictures.stream(record), record.dialect)))
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "m.safetensors")
    save_model(path, entropy_model(3, 0))
    out["model file"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with executor_for(0, None) as executor:
        spec, only = SuiteSpec(1, 0, 52, "synthetic"), ("lef-0", "map-index-1", "bare")
        summary = generate_suite(pathlib.Path(folder, "suite"), spec, executor, only=only)
    out["suite"] = [summary.digest, summary.streams, summary.bytes]
print(json.dumps(out, sort_keys=True))
"""


def outcome(threads: int, *options: str, **surroundings: str) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONHASHSEED"))}
    done = subprocess.run(
        [sys.executable, *options, "-c", SCRIPT.replace("THREADS", str(threads))],
        cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT), **surroundings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_nothing_around_the_program_changes_a_bit() -> None:
    """Another order of sets, an ASCII world, no assertions, files backwards, another time, more threads."""
    plain = outcome(1, PYTHONHASHSEED="0")
    other = {"PYTHONHASHSEED": "4242", "LC_ALL": "C", "FILES": "backwards", "TZ": "Pacific/Apia"}
    assert outcome(2, "-O", "-X", "utf8=0", **other) == plain


def test_the_order_of_files_is_really_turned_round(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    head = (
        SCRIPT.split("from conformance")[0]
        + f"""
import glob
path = pathlib.Path({str(tmp_path)!r})
names = [os.listdir(path), [e.name for e in os.scandir(path)], [p.name for p in path.iterdir()]]
print(json.dumps(names))
"""
    )
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", head], env={**os.environ, "FILES": order},
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for order in ("", "backwards")
    ]  # fmt: skip
    assert found[1] == [names[::-1] for names in found[0]]


FLOATING = re.compile(
    r"float\w*|double|half|complex\w*|mean|average|std|var|true_divide|divide|ldexp|rint|fsum"
)
FOLDER = re.compile(
    r"(.*\.)?(folder|root|parent|path|caches)|(here|source)\.parent|Path\(.*\)(\.parent)?|caches / .*"
)
INTEGERS = {"tool.mean"}
"""The mean that an EFE filter carries in the codestream."""
CLOCKS = {"refdec/decode_command.py", "refdec/command.py"}
"""How long a decode took, for people, and how often signals are looked for: seconds, no samples."""


def floating(path: Path, name: str) -> Iterator[str]:
    """Float constants, divisions of what is no path, and names of floating types and functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.unparse(node) if isinstance(node, ast.expr | ast.AugAssign) else ""
        if isinstance(node, ast.Constant):
            found = isinstance(node.value, float | complex) and name not in CLOCKS
        elif isinstance(node, ast.BinOp):
            found = isinstance(node.op, ast.Div) and not FOLDER.fullmatch(ast.unparse(node.left))
        elif isinstance(node, ast.AugAssign):
            found = isinstance(node.op, ast.Div)
        elif isinstance(node, ast.Attribute):
            found = FLOATING.fullmatch(node.attr) is not None and text not in INTEGERS
        else:
            found = isinstance(node, ast.Name) and node.id in ("float", "complex") and name not in CLOCKS
        if found:
            yield f"{name}:{getattr(node, 'lineno', 0)} {text}"


def test_no_source_of_the_decoder_knows_floating_point(tmp_path: Path) -> None:
    """The whole package, not the kernels alone: whatever is added to it is looked at."""
    paths = list((ROOT / "refdec").rglob("*.py"))
    assert not [found for path in paths for found in floating(path, path.relative_to(ROOT).as_posix())]
    lines = ("a = 0.5", "b = a / 2", "a /= 3", "c = np.float32(a)", "d = float(c)", "x.mean()")
    for number, line in enumerate(lines):
        (tmp_path / f"{number}.py").write_text(line, encoding="utf-8")
        assert list(floating(tmp_path / f"{number}.py", "name")), line


UNSTABLE = {"sort", "argsort", "argpartition", "unique", "lexsort"}
# header fields for display, in the order of their bits; statements that were covered, as a set
ALLOWED = {("refdec/codestream/stream.py", "sort"), ("refdec/coverage.py", "unique")}


def names_used() -> Iterator[tuple[str, str, str]]:
    """File, name in front of the dot, name behind it: all over the decoder's package."""
    for path in (ROOT / "refdec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                front = node.value.id if isinstance(node.value, ast.Name) else ""
                yield path.relative_to(ROOT).as_posix(), front, node.attr


def test_no_array_is_sorted_where_ties_could_matter() -> None:
    """NumPy's sorts are not stable by default; Python's are."""
    assert {(path, name) for path, _, name in names_used() if name in UNSTABLE} == ALLOWED


LIBM = {"exp", "log", "log2", "sqrt", "pow", "sin", "cos", "tanh", "erf", "floor", "ceil", "round", "power"}


def test_nothing_of_the_mathematics_library_is_called() -> None:
    """No function that a C library could round in its own way, from ``math`` or NumPy."""
    found = [(path, name) for path, front, name in names_used() if front in ("np", "math") and name in LIBM]
    assert not found
    for path in (ROOT / "refdec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "math":
                assert {alias.name for alias in node.names} <= {"isqrt", "gcd", "prod", "lcm"}, path


def test_every_file_is_opened_with_a_stated_encoding() -> None:
    """Text is read and written as UTF-8 or ASCII whatever the locale says."""
    for package in ("refdec", "conformance"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    words = {k.arg for k in node.keywords}
                    if node.func.attr in ("read_text", "write_text") and "encoding" not in words:
                        assert path.name == "machine.py", (path, node.lineno)
