"""What this process runs on, as far as it can find out itself."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

MARKER = "REFDEC_EMULATOR"
"""Environment variable by which whoever starts an emulator says so."""
ELF_MACHINES = {3: "i386", 8: "mips", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}
ELF_MACHINES |= {243: "riscv64", 258: "loongarch64"}
SMALL = {"x86_64": "i386", "amd64": "i386", "aarch64": "arm", "arm64": "arm"}


def pointer_bits() -> int:
    """Bits of an address."""
    return 8 * struct.calcsize("P")


def architecture() -> str:
    """What this process is compiled for: a 32-bit process of a 64-bit system has its own name."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    return SMALL.get(machine, machine) if pointer_bits() == 32 else machine


def cpu_model() -> str:
    """The processor's name for people; under emulation that of whatever is shown to the process."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or "unknown"
    lines = _lines(Path("/proc/cpuinfo"))
    for name in ("model name", "Model", "Hardware", "cpu model", "machine"):
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == name and value.strip():
                return _short(value)
    board = _text(Path("/proc/device-tree/model")).strip("\0")
    parts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}
    arm = " ".join(f"{key} {parts[key]}" for key in ("CPU implementer", "CPU part") if key in parts)
    return _short(" ".join(filter(None, (board, arm))) or platform.processor() or "unknown")


def execution() -> dict[str, Any]:
    """Whether the processor itself runs this process: ``kind`` and the signs of an emulator.

    No sign means *native*: a machine that is emulated as a whole shows none, its owner knows.
    """
    signs = []
    marker = os.environ.get(MARKER, "")
    if marker:
        signs.append(f"{MARKER}={_short(marker)}")
    # An emulator of single programs is the program that the kernel knows, even where it hides its name.
    program = Path(f"/proc/self/task/{threading.get_native_id()}/exe")
    ours, real = elf_machine(Path(sys.executable)), elf_machine(program)
    if ours is not None and real is not None and ours != real:
        signs.append(f"the kernel runs a program for {real}, this one is for {ours}")
    kernel = _text(Path("/proc/sys/kernel/arch")).strip()
    if kernel and architecture() not in (kernel, SMALL.get(kernel)):
        signs.append(f"the kernel is for {kernel}")
    if _is_foreign_cpu():
        signs.append("/proc/cpuinfo shows an x86 processor")
    if sys.platform == "darwin" and _output("sysctl", "-n", "sysctl.proc_translated") == "1":
        signs.append("translated by Rosetta")
    return {"kind": "emulated" if signs else "native", "signs": signs}


def elf_machine(path: Path) -> str | None:
    """What processor a program is for, ``None`` if it is no ELF file."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return ELF_MACHINES.get(number, str(number))


def _is_foreign_cpu() -> bool:
    x86 = architecture() in ("x86_64", "i386")
    return not x86 and any(line.startswith("vendor_id") and ("AMD" in line or "Intel" in line)
                           for line in _lines(Path("/proc/cpuinfo")))  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor and operating system."""
    return {
        "architecture": architecture(),
        "cpu": cpu_model(),
        "byte_order": sys.byteorder,
        "pointer_bits": pointer_bits(),
        "processors": os.cpu_count() or 0,
        "operating_system": _short(_system()),
    }


def software(engine: str) -> dict[str, str | None]:
    """Versions of what is used; ``None`` for what an engine does not use or this machine does not have."""
    versions: dict[str, str | None] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": _version("numpy"),
        "numba": None,
        "llvm": None,
        "torch": None,
    }
    if engine == "jit":
        versions["numba"] = _version("numba")
        versions["llvm"] = _llvm()
    if engine == "twin":
        versions["torch"] = _version("torch")
    return versions


def _system() -> str:
    pretty = ""
    for line in _lines(Path("/etc/os-release")):
        if line.startswith("PRETTY_NAME="):
            pretty = line.partition("=")[2].strip('"')
    if sys.platform == "darwin":
        pretty = f"macOS {platform.mac_ver()[0]}"
    return " ".join(filter(None, (pretty, platform.system(), platform.release(), "/".join(_libc()))))


def _libc() -> tuple[str, str]:
    try:
        return platform.libc_ver()
    except OSError:
        return "", ""


def _llvm() -> str | None:
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    return ".".join(map(str, llvm.llvm_version_info))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
