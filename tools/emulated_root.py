"""Unpacks a Debian system for another processor into a folder and writes a launcher of its Python.

    python tools/emulated_root.py arm64 build/roots/arm64
    build/roots/arm64/python -m refdec --version

Nothing is installed on this machine: `apt-get` works in a folder of its own, `dpkg-deb` unpacks, `pip`
fetches wheels for the other processor. Processors that this one cannot run need `qemu-user-static`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
REQUIRED = ("numpy", "safetensors", "typer", "rich", "pillow")


@dataclass(frozen=True)
class Processor:
    """How programs for a processor run here, and where their Python packages come from.

    :param qemu: the emulator, ``None`` where the processor of this machine runs the programs itself.
    :param loader: then the dynamic loader of the root.
    :param suite: Debian's suite.
    :param wheels: platform tags of wheels; empty: everything from Debian.
    """

    libraries: str
    suite: str
    qemu: str | None = None
    loader: str = ""
    wheels: tuple[str, ...] = ()


PROCESSORS = {
    "arm64": Processor(
        "aarch64-linux-gnu", "trixie", "qemu-aarch64-static",
        wheels=("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64"),
    ),
    "amd64": Processor(
        "x86_64-linux-gnu", "trixie", loader="lib64/ld-linux-x86-64.so.2",
        wheels=("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"),
    ),
    "s390x": Processor("s390x-linux-gnu", "forky", "qemu-s390x-static"),
    "i386": Processor("i386-linux-gnu", "forky", loader="lib/ld-linux.so.2"),
    "armhf": Processor("arm-linux-gnueabihf", "forky", "qemu-arm-static"),
}  # fmt: skip
# What the scripts of packages, which are not run, would have linked to: folder and library.
ALTERNATIVES = (("blas", "libblas.so.3"), ("lapack", "liblapack.so.3"))
# NumPy 1.26 and safetensors are in no Debian release together before forky.
DEBIAN = tuple(f"python3-{name}" for name in ("numpy", "safetensors", "typer", "rich", "pil"))


def run(words: list[str], **environment: str) -> None:
    """Run a command; the script ends with its output if it fails."""
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{shlex.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def unpack_debian(root: Path, arch: str, suite: str, mirror: str, packages: list[str]) -> None:
    """Fetch packages with all they depend on and unpack them; none of their scripts is run."""
    home = root / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "status").touch()
    (home / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        # A mirror that is not updated any more still has what its signature says.
        "Acquire::Check-Valid-Until": "false",
        "Dir::State": str(home),
        "Dir::State::status": str(home / "status"),
        "Dir::State::lists": str(home / "lists"),
        "Dir::Cache": str(home / "cache"),
        "Dir::Etc": str(home / "etc"),
    }
    configuration = home / "apt.conf"
    configuration.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    run(["apt-get", "update", "-q"], APT_CONFIG=str(configuration))
    run(["apt-get", "install", "-q", "-y", "--download-only", *packages], APT_CONFIG=str(configuration))
    for name in ("lib", "bin", "sbin", "lib64"):
        # Packages still name these; they are one with the folders below usr.
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for package in sorted((home / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(root)])
    libraries = root / "usr/lib" / PROCESSORS[arch].libraries
    for folder, name in ALTERNATIVES:
        if (libraries / folder / name).exists() and not (libraries / name).is_symlink():
            (libraries / name).symlink_to(f"{folder}/{name}")


def python_version(root: Path) -> str:
    """``3.13`` for a root whose ``python3`` is ``python3.13``."""
    return str((root / "usr/bin/python3").readlink()).removeprefix("python")


def install_wheels(root: Path, processor: Processor, names: list[str]) -> None:
    """Fetch and unpack wheels for the root's Python, with the versions of constraints.txt."""
    tags = [word for tag in processor.wheels for word in ("--platform", tag)]
    run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--only-binary=:all:"),
            *("--target", str(root / "site"), "--python-version", python_version(root), *tags),
            *(("--constraint", str(CONSTRAINTS)) if not any("==" in name for name in names) else ()),
            *names,
        ],
        PIP_CONSTRAINT="",
    )


def write_launcher(root: Path, processor: Processor) -> Path:
    """``python`` in the root: the environment set, the emulator or the loader in front."""
    interpreter = root / "usr/bin/python3"
    lines = ["#!/bin/sh", f"export PYTHONHOME={shlex.quote(str(root / 'usr'))}"]
    lines.append(f'export PYTHONPATH="{root / "site"}:$PYTHONPATH" PYTHONDONTWRITEBYTECODE=1')
    if processor.qemu is not None:
        # What is said here is recorded; what the process itself finds out is recorded beside it.
        lines.append(f"export REFDEC_EMULATOR=$({processor.qemu} --version | head -n 1 | tr -d '\\n')")
        words = [processor.qemu, "-L", str(root), str(interpreter)]
    else:
        libraries = str(root / "usr/lib" / processor.libraries)
        words = [str(root / processor.loader), "--library-path", libraries, str(interpreter)]
    lines.append(f'exec {shlex.join(words)} "$@"')
    launcher = root / "python"
    launcher.write_text("\n".join(lines) + "\n")
    launcher.chmod(0o755)
    return launcher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("arch", choices=PROCESSORS, help="Debian's name of the processor")
    parser.add_argument("root", type=Path, help="folder to make")
    parser.add_argument("--suite", help="Debian's suite, and with it the version of Python")
    parser.add_argument("--mirror", default=MIRROR)
    parser.add_argument(
        "--numba", action=argparse.BooleanOptionalAction, default=True, help="where it exists"
    )
    parser.add_argument("--wheel", action="append", default=[], help="another wheel, e.g. numpy==2.5.0")
    options = parser.parse_args()
    processor = PROCESSORS[options.arch]
    root = options.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    packages = ["python3", "libstdc++6"] if processor.wheels else ["python3", *DEBIAN]
    unpack_debian(root, options.arch, options.suite or processor.suite, options.mirror, packages)
    (root / "site").mkdir(exist_ok=True)
    if processor.wheels:
        install_wheels(root, processor, [*REQUIRED, *(["numba"] if options.numba else []), *options.wheel])
    launcher = write_launcher(root, processor)
    said = subprocess.run(
        [str(launcher), "-c", "import sys, numpy; print(sys.version.split()[0], numpy.__version__)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if said.returncode:
        sys.exit(f"{launcher} does not run: {said.stderr[-2000:]}")
    python, numpy = said.stdout.split()
    print(f"{launcher}: Python {python}, NumPy {numpy}")


if __name__ == "__main__":
    main()
