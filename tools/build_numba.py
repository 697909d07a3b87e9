"""Builds Numba for the Python of an unpacked system, where no wheel and no package of it exists.

The target's own Python runs Numba's `setup.py`, under the emulator where there is one; the compiler is
`zig cc`, which is a wheel, runs on this machine and knows every processor. Numba's source is not changed.
Of its thread layers only the portable one is built; refdec uses none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

NUMBA = "0.65.1"
"""The version that fits the llvmlite 0.47 of Debian's forky and sid."""
CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
PACKAGES = ("python3-llvmlite", "python3-dev", "python3-numpy-dev", "python3-setuptools")
# Folders that setuptools knows are this machine's; those meant are in the root. Zig switches checks for
# undefined behaviour on where nobody asks it to optimise.
COMPILER = """#!/bin/sh
for word do
    shift
    case "$word" in
        -L/usr/*) ;;
        -I/usr/*) set -- "$@" "-I{root}${{word#-I}}" ;;
        *) set -- "$@" "$word" ;;
    esac
done
set -- -target {target} -fno-sanitize=undefined "$@" -idirafter {root}/usr/include
exec {python} -m ziglang {language} "$@"
"""


def pip(*words: str) -> None:
    """``pip``, without dependencies and without the user's constraints."""
    command = [sys.executable, "-m", "pip", *words, "--quiet", "--no-deps"]
    subprocess.run(command, check=True, env={**os.environ, "PIP_CONSTRAINT": ""})


def compilers(root: Path, folder: Path, target: str) -> dict[str, str]:
    """Scripts ``cc`` and ``c++`` that compile for ``target``, as an environment for a build."""
    tools = folder.parents[1] / "zig"
    if not (tools / "ziglang").is_dir():
        pip("install", "ziglang", "--constraint", str(CONSTRAINTS), "--target", str(tools))
    for name, language in (("cc", "cc"), ("c++", "c++")):
        script = folder / name
        python = f"env PYTHONHOME= PYTHONPATH={tools} {sys.executable}"
        words = {"python": python, "language": language, "target": target, "root": root}
        script.write_text(COMPILER.format(**words))
        script.chmod(0o755)
    cc, cxx = str(folder / "cc"), str(folder / "c++")
    return {
        "CC": cc,
        "CXX": cxx,
        "LDSHARED": f"{cc} -shared",
        "LDCXXSHARED": f"{cxx} -shared",
        "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-cache"),
        "ZIG_LOCAL_CACHE_DIR": str(folder / "zig-cache"),
    }


def build_numba(root: Path, launcher: Path, target: str) -> None:
    """Numba, compiled for the root's Python, into its folder ``site``.

    :param target: processor, system and C library as Zig names them.
    """
    folder = root / "numba"
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, **compilers(root, folder, target)}
    environment |= {"NUMBA_DISABLE_OPENMP": "1", "NUMBA_DISABLE_TBB": "1", "MAX_JOBS": "1"}
    source = folder / f"numba-{NUMBA}"
    if not source.is_dir():
        pip(
            *("download", f"numba=={NUMBA}", "--no-binary", "numba", "--no-build-isolation"),
            *("--dest", str(folder)),
        )
        with tarfile.open(folder / f"numba-{NUMBA}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    subprocess.run(
        [str(launcher), "setup.py", "bdist_wheel", "--dist-dir", str(folder)],
        check=True, cwd=source, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(root / "site")
