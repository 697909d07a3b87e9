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

import build_numba

MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# For versions of Python that no release of Debian has. Debian's trixie vouches for the keys.
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_SUITES = ("jammy", "noble")
UBUNTU_KEYRING = "usr/share/keyrings/ubuntu-archive-keyring.gpg"
CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
OLDEST_PYTHON = "3.10"
REQUIRED = ("numpy", "safetensors", "typer", "rich", "pillow")


@dataclass(frozen=True)
class Processor:
    """How programs for a processor run here, and where their Python packages come from.

    :param qemu: the emulator, ``None`` where the processor of this machine runs the programs itself.
    :param loader: then the dynamic loader of the root.
    :param suite: Debian's suite.
    :param wheels: platform tags of wheels; empty: everything from Debian.
    :param numba: Debian's package; ``None``: none is made for it, and it is built from PyPI's source.
    :param zig: what ``zig cc`` calls the processor, to build it.
    """

    libraries: str
    suite: str
    qemu: str | None = None
    loader: str = ""
    wheels: tuple[str, ...] = ()
    numba: str | None = None
    zig: str = ""


PROCESSORS = {
    "arm64": Processor(
        "aarch64-linux-gnu", "trixie", "qemu-aarch64-static",
        wheels=("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64"),
    ),
    "amd64": Processor(
        "x86_64-linux-gnu", "trixie", loader="usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        wheels=("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"),
    ),
    "ppc64el": Processor("powerpc64le-linux-gnu", "forky", "qemu-ppc64le-static", numba="python3-numba"),
    "s390x": Processor("s390x-linux-gnu", "forky", "qemu-s390x-static", zig="s390x-linux-gnu"),
    "riscv64": Processor("riscv64-linux-gnu", "forky", "qemu-riscv64-static", zig="riscv64-linux-gnu"),
    "i386": Processor("i386-linux-gnu", "forky", loader="lib/ld-linux.so.2", zig="x86-linux-gnu"),
    "armhf": Processor("arm-linux-gnueabihf", "forky", "qemu-arm-static", zig="arm-linux-gnueabihf"),
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


def unpack_debian(
    root: Path, arch: str, suite: str, mirror: str, packages: list[str], keyring: Path = KEYRING
) -> None:
    """Fetch packages with all they depend on and unpack them; none of their scripts is run."""
    home = root / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "status").touch()
    (home / "etc/sources.list").write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n")
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
        # Not `dpkg-deb --extract`: older packages have folders where the root has links to usr.
        into = shlex.join(["tar", "--extract", "--keep-directory-symlink", "--directory", str(root)])
        run(["sh", "-c", f"dpkg-deb --fsys-tarfile {shlex.quote(str(package))} | {into}"])
    libraries = root / "usr/lib" / PROCESSORS[arch].libraries
    for folder, name in ALTERNATIVES:
        if (libraries / folder / name).exists() and not (libraries / name).is_symlink():
            (libraries / name).symlink_to(f"{folder}/{name}")


def ubuntu_keyring(folder: Path) -> Path:
    """Ubuntu's keys from Debian, which signs the package that holds them."""
    unpack_debian(folder, "amd64", "trixie", MIRROR, ["ubuntu-archive-keyring"])
    return folder / UBUNTU_KEYRING


def python_version(root: Path) -> str:
    """``3.13`` for a root whose ``python3`` is ``python3.13``."""
    return str((root / "usr/bin/python3").readlink()).removeprefix("python")


def install_wheels(root: Path, processor: Processor, names: list[str]) -> None:
    """Fetch and unpack wheels for the root's Python, with the versions of constraints.txt.

    Some of those do not support the oldest Python that the package does: it gets the newest that do.
    """
    python = python_version(root)
    pinned = python != OLDEST_PYTHON and not any("==" in name for name in names)
    tags = [word for tag in processor.wheels for word in ("--platform", tag)]
    run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--only-binary=:all:"),
            *("--target", str(root / "site"), "--python-version", python, *tags),
            *(("--constraint", str(CONSTRAINTS)) if pinned else ()),
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
    parser.add_argument("--mirror", help=f"{MIRROR}, for suites of Ubuntu {UBUNTU}")
    parser.add_argument(
        "--numba", action=argparse.BooleanOptionalAction, default=True, help="where it exists"
    )
    parser.add_argument("--wheel", action="append", default=[], help="another wheel, e.g. numpy==2.5.0")
    options = parser.parse_args()
    processor = PROCESSORS[options.arch]
    root = options.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    suite, mirror, keyring = options.suite or processor.suite, options.mirror or MIRROR, KEYRING
    if suite in UBUNTU_SUITES:
        mirror, keyring = options.mirror or UBUNTU, ubuntu_keyring(root / "keys")
    packages = ["python3", "libstdc++6"] if processor.wheels else ["python3", *DEBIAN]
    builds = options.numba and processor.zig != ""
    if options.numba and not processor.wheels:
        packages += [processor.numba] if processor.numba else build_numba.PACKAGES if builds else []
    unpack_debian(root, options.arch, suite, mirror, packages, keyring)
    (root / "site").mkdir(exist_ok=True)
    if processor.wheels:
        install_wheels(root, processor, [*REQUIRED, *(["numba"] if options.numba else []), *options.wheel])
    launcher = write_launcher(root, processor)
    if builds:
        build_numba.build_numba(root, launcher, processor.zig)
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
