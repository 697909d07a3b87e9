"""Runs the bundled suites on every target that this machine can offer, and writes the page about it.

    python tools/device_matrix.py --prepare             # fetch what the targets need, into build/roots
    python tools/device_matrix.py                       # run all that can run: docs/results/evidence/*.json
    python tools/device_matrix.py --only 'aarch64*'     # some of them
    python tools/device_matrix.py --page                # the page alone, from the evidence that is there

The suite of a generator is made by the golden engine on several targets too, which must give the same bytes.
A target that cannot run here is listed with the reason; nothing is ever counted that did not run.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulated_root import PROCESSORS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/results"
SMALL = ("--max-pixels", "10000")
"""Streams for targets on which a picture takes minutes."""
TINY = ("--max-pixels", "4096", "--only", "s*", "--only", "threads-*", "--only", "bad-*", "--only", "plain-*")
PYTHON = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,-fma,-avx512f"}
AVX512 = {
    "NUMBA_CPU_NAME": "skylake-avx512",
    "NUMBA_CPU_FEATURES": "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512cd,-avx512vnni",
}
Z14 = {"NUMBA_CPU_NAME": "z14", "NUMBA_CPU_FEATURES": ""}
"""With vectors: where nothing is said LLVM compiles for z10, which has none."""
A15 = {"NUMBA_CPU_NAME": "cortex-a15", "NUMBA_CPU_FEATURES": "+neon"}
"""With NEON and atomics: where nothing is said LLVM compiles for a processor that has neither."""
GENERATED = ROOT / "build/generated"
"""A small generated suite, with streams for what the bundled ones do not have: post-filters, every range."""
SELECTION = tuple(
    word
    for pattern in (
        *("map-index-*", "lef-*", "efe-curve-small*", "icci-planes-yu", "escapes-*", "everything-*"),
        *("bound-sop", "cubes-random", "gain-rvs-*", "rendering-ends-1*"),
    )
    for word in ("--only", pattern)
)
GENERATE = ("-m", "conformance", "generate", "--profile", "high", "--seed", "1", "--jobs", "1", *SELECTION)
OLDEST = (
    *("numpy==1.26.4", "numba==0.60.0", "safetensors==0.4.0", "typer==0.12.4", "click<8.2"),
    *("rich==13.0.0", "pillow==10.0.0"),
)


@dataclass(frozen=True)
class Target:
    """One row of the matrix.

    :param name: of the row; the file is named after it.
    :param where: folder below the roots that holds the interpreter, ``None`` for the one that runs this.
    :param flags: of the processor that it needs.
    :param suite: the generated suite instead of the bundled ones.
    :param generates: make the generated suite there and note its digest.
    :param device: PyTorch device of the twin, if it is not the processor.
    :param absent: why it cannot run here at all.
    """

    name: str
    words: tuple[str, ...] = ()
    where: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    suite: bool = False
    generates: bool = False
    device: str = ""
    absent: str = ""

    @property
    def file(self) -> Path:
        """Its evidence."""
        return RESULTS / "evidence" / (self.name.lower().replace(" ", "-").replace(",", "") + ".json")


GOLDEN, TWIN = ("--engine", "golden"), ("--engine", "twin")
FLOAT32 = (*TWIN, "--precision", "float32")
TARGETS = (
    Target("x86-64 jit", ()),
    Target("x86-64 jit, 2 threads", ("--threads", "2")),
    Target("x86-64 jit baseline", environment=GENERIC),
    Target("x86-64 jit AVX2 without FMA", environment=AVX2, flags=("avx2",)),
    Target("x86-64 jit AVX-512 without VNNI", environment=AVX512, flags=("avx512bw", "avx512vl")),
    Target("x86-64 jit, Python integers", TINY, environment={"NUMBA_DISABLE_JIT": "1"}),
    Target("x86-64 golden", GOLDEN, generates=True),
    Target("x86-64 twin contiguous, 1 thread", (*TWIN, "--layout", "contiguous")),
    Target("x86-64 twin channels_last, 2 threads", (*TWIN, "--layout", "channels_last", "--threads", "2")),
    Target("x86-64 twin float32 contiguous, 1 thread", (*FLOAT32, "--layout", "contiguous")),
    Target("x86-64 twin float32 channels_last, 1 thread", (*FLOAT32, "--layout", "channels_last")),
    Target("x86-64 jit, oldest versions", where="oldest"),
    Target("x86-64 golden, oldest versions", GOLDEN, where="oldest", generates=True),
    Target("x86-64 jit, Python 3.10", where="amd64-jammy"),
    Target("x86-64 jit, Python 3.12", where="amd64-noble"),
    Target("x86-64 jit, Python 3.13", where="amd64-trixie"),
    Target("x86-64 jit, Python 3.14", where="amd64-forky"),
    Target("i386 jit", where="i386"),
    Target("i386 golden", (*GOLDEN, *SMALL), where="i386", generates=True),
    Target("AArch64 jit", SMALL, where="arm64"),
    Target("AArch64 golden", (*GOLDEN, *SMALL), where="arm64", generates=True),
    Target("POWER jit", SMALL, where="ppc64el"),
    Target("POWER golden", (*GOLDEN, *SMALL), where="ppc64el"),
    Target("s390x jit", SMALL, where="s390x"),
    Target("s390x jit z14", SMALL, where="s390x", environment=Z14),
    Target("s390x golden", (*GOLDEN, *SMALL), where="s390x", generates=True),
    Target("RISC-V jit", absent="the compiled kernels of the networks ended in a segmentation fault"),
    Target("RISC-V golden", (*GOLDEN, "--max-pixels", "4096"), where="riscv64"),
    Target("armhf jit", ("--max-pixels", "4096"), where="armhf", environment=A15),
    Target("armhf golden", (*GOLDEN, *SMALL), where="armhf", generates=True),
    Target("generated x86-64 jit", suite=True),
    Target("generated x86-64 golden", GOLDEN, suite=True),
    Target("generated x86-64 jit baseline", environment=GENERIC, suite=True),
    Target("generated x86-64 twin", TWIN, suite=True),
    Target("generated i386 jit", where="i386", suite=True),
    Target("generated i386 golden", GOLDEN, where="i386", suite=True),
    Target("generated AArch64 jit", where="arm64", suite=True),
    Target("generated s390x jit", where="s390x", suite=True),
    Target("generated s390x golden", GOLDEN, where="s390x", suite=True),
    Target("CUDA twin float64", (*TWIN, "--device", "cuda"), device="cuda"),
    Target("CUDA twin float32", (*FLOAT32, "--device", "cuda"), device="cuda"),
    Target("MPS twin float64", absent="Apple's graphics processors have no float64"),
    Target("MPS twin float32", (*FLOAT32, "--device", "mps"), device="mps"),
    Target("AArch64 hardware", absent="none was at hand; `refconf evidence` is the command for it"),
    Target("Apple silicon", absent="none was at hand; `refconf evidence` is the command for it"),
    Target("AVX-512 under an emulator", absent="qemu-user emulates up to AVX2; the rows above are native"),
)


def has(device: str) -> bool:
    """Whether PyTorch is here and has a device."""
    try:
        from conformance.twin.device import unusable
    except ImportError:
        return False
    return unusable(device, "float32") is None


def interpreter(target: Target, roots: Path) -> list[str] | str:
    """The words that start Python for a target, or why they cannot."""
    if target.absent:
        return target.absent
    if target.device:
        return [sys.executable] if has(target.device) else f"no device {target.device} was at hand"
    if target.where is None:
        if platform.machine() != "x86_64":
            return f"this machine is {platform.machine()}"
        flags = Path("/proc/cpuinfo").read_text().split()
        missing = [flag for flag in target.flags if flag not in flags]
        return f"the processor lacks {', '.join(missing)}" if missing else [sys.executable]
    for name in ("python", "bin/python"):
        path = roots / target.where / name
        if path.is_file():
            return [str(path)]
    return f"no {roots.name}/{target.where}: --prepare makes it"


def run(target: Target, words: list[str]) -> bool:
    """Run a target; what it says goes to the terminal."""
    target.file.parent.mkdir(parents=True, exist_ok=True)
    command = [*words, "-m", "conformance", "evidence", "--output", str(target.file), *target.words]
    environment = {**os.environ, **PYTHON, **target.environment, "PYTHONPATH": str(ROOT)}
    print(f"{target.name} ...", flush=True)
    if target.suite:
        command += ["--suite", str(GENERATED)]
        if not (GENERATED / "suite.json").is_file():
            made = [sys.executable, *GENERATE, "--output", str(GENERATED)]
            subprocess.run(made, env=environment, cwd=ROOT, check=True)
    done = subprocess.run([*command, "--target", target.name], env=environment, cwd=ROOT, check=False)
    return done.returncode == 0 and (not target.generates or generate(target, words, environment))


def generate(target: Target, words: list[str], environment: Mapping[str, str]) -> bool:
    """Make the generated suite on a target; its digest goes into one file for all."""
    path = RESULTS / "evidence/generated-suite.json"
    with tempfile.TemporaryDirectory() as folder:
        command = [*words, *GENERATE, "--json", "--output", folder]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
        )
    if done.returncode == 0:
        facts = json.loads(path.read_text()) if path.is_file() else {}
        facts[target.name] = json.loads(done.stdout)
        path.write_text(json.dumps(facts, indent=1) + "\n")
    return done.returncode == 0


def prepare(roots: Path) -> None:
    """Make what the targets need and is not there yet."""
    roots.mkdir(parents=True, exist_ok=True)
    script = [sys.executable, str(ROOT / "tools/emulated_root.py")]
    for where in dict.fromkeys(t.where for t in TARGETS if t.where and t.where != "oldest"):
        arch, _, suite = where.partition("-")
        if arch in PROCESSORS and not (roots / where / "python").exists():
            subprocess.run(
                [*script, arch, str(roots / where), *(("--suite", suite) if suite else ())], check=False
            )
    if not (roots / "oldest/bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(roots / "oldest")], check=True)
        pip = [str(roots / "oldest/bin/python"), "-m", "pip", "install", "--quiet", *OLDEST]
        subprocess.run(pip, check=False, env={**os.environ, "PIP_CONSTRAINT": ""})


def page(roots: Path) -> str:
    """docs/results/matrix.md."""
    from conformance.evidence.collect import STAGES
    from conformance.evidence.compare import compare, engine_text
    from conformance.evidence.record import Evidence, read

    known = {t.name: read(t.file) for t in TARGETS if t.file.is_file()}
    names = {t.suite: t.name for t in reversed(TARGETS) if t.name in known}
    first = known[names[False]]

    def row(target: Target) -> list[str]:
        e = known.get(target.name)
        if e is None:
            reason = interpreter(target, roots)
            return [target.name, "not run", "", "", "", "", reason if isinstance(reason, str) else "not yet"]
        reference = known[names[target.suite]]
        result = compare(reference, e)
        verdict = "equal" if result.equal and not e.disagreeing else "**different**"
        if e is reference:
            verdict = "as the suites state" if not e.disagreeing else "**different**"
        return [
            target.name,
            str(e.execution["kind"]),
            system(e),
            engine_text(e),
            kernels(e),
            str(len(e.streams)),
            verdict,
        ]

    def system(e: Evidence) -> str:
        bits = f"{e.machine['pointer_bits']} bits, {e.machine['byte_order']}-endian"
        versions = ", ".join(f"{name} {v}" for name, v in e.software.items() if v is not None)
        return f"{bits}; {versions.replace('python CPython', 'CPython')}"

    def kernels(e: Evidence) -> str:
        if e.instructions is None:
            return ""
        counts = {name: n for name, n in e.instructions["counts"].items() if n and name != "instructions"}
        return ", ".join(f"{n} {name}" for name, n in counts.items())

    lines = [
        "# The same bits on every machine",
        "",
        "Written by `tools/device_matrix.py`. The evidence of each row is in [evidence](evidence), and",
        "`refconf evidence compare` compares any two of its files. *Emulated* is what a process found out",
        "about itself or was told by what started it; everything else ran on the processor itself",
        f"({first.machine['cpu']}). Rows with fewer streams leave out larger pictures: emulators are slow.",
        "Differences that were found on the way: [determinism.md](../determinism.md).",
        "",
        "| target | execution | system | engine | vector instructions of the networks | streams | result |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row(target)) + " |" for target in TARGETS]
    versions = {e.sources for e in known.values()}
    if len(versions) > 1:
        lines += [
            "",
            f"The rows come from {len(versions)} states of the program: `sources` in each file tells which.",
        ]
    lines += [
        "",
        f"## Digests of the bundled suites ({len(first.streams)} streams)",
        "",
        "SHA-256 over `suite/stream digest` lines, one for each stream that has the stage;"
        " `conformance/evidence/collect.py` defines them.",
        "",
        "| stage | SHA-256 |",
        "|---|---|",
    ]
    lines += [f"| {stage} | `{first.stages[stage]}` |" for stage in STAGES if stage in first.stages]
    path = RESULTS / "evidence/generated-suite.json"
    if path.is_file():
        lines += [
            "",
            "## A generated suite, made on several targets",
            "",
            f"`refconf {' '.join(GENERATE[2:])}`; the index names the digest of every file, models included.",
            "",
            "| target | streams | bytes | suite SHA-256 |",
            "|---|---|---|---|",
        ]
        for name, made in json.loads(path.read_text()).items():
            count = sum(made["streams"].values())
            lines.append(f"| {name} | {count} | {made['bytes']} | `{made['suite_sha256']}` |")
    lines += ["", "Suites: " + "; ".join(f"{name} `{digest}`" for name, digest in first.suites.items()) + "."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prepare", action="store_true", help="fetch interpreters and packages, run nothing")
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    parser.add_argument("--only", action="append", help="pattern of target names")
    parser.add_argument("--roots", type=Path, default=ROOT / "build/roots")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    failed = []
    if options.prepare:
        prepare(options.roots)
        return
    for target in TARGETS if not options.page else ():
        if options.only and not any(fnmatch.fnmatchcase(target.name, p) for p in options.only):
            continue
        words = interpreter(target, options.roots)
        if isinstance(words, str):
            print(f"{target.name}: not run: {words}")
        elif not run(target, words):
            failed.append(target.name)
    (RESULTS / "matrix.md").write_text(page(options.roots))
    if failed:
        sys.exit(json.dumps({"failed": failed}))


if __name__ == "__main__":
    main()
