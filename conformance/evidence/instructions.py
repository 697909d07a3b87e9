"""Which instructions the compiled kernels consist of: machine code counted by class."""

from __future__ import annotations

import platform
import re
import warnings
from typing import Any

# Per family: what multiplies and adds in the inner loops, then arithmetic on floats, of which there is none.
X86 = {
    "vpdpwssd": r"vpdpwssd",
    "pmaddwd": r"v?pmaddwd",
    "pmulld": r"v?pmulld",
    "float": (
        r"v?(?:add|sub|mul|div|sqrt|min|max|round|rndscale)[sp][sd]|vfn?m(?:add|sub)\w*|v?cvt(?!tps2dq)\w*[sp][sd]\w*"
    ),
    # Without AVX2, a shift to the left by a variable is built from 2^n as a float32: exact for every n.
    "cvttps2dq": r"cvttps2dq",
}
ARM = {
    "smlal": r"smlal2?",
    "smull": r"smull2?",
    "mla": r"mla",
    "sdot": r"sdot",
    "float": r"f(?:add|sub|mul|div|madd|msub|mla|mls|nmadd|sqrt|cmp|cvt\w+|rint\w)|[su]cvtf",
}
REGISTERS = {
    "x86": {"zmm": r"%zmm\d", "ymm": r"%ymm\d", "xmm": r"%xmm\d"},
    "arm": {"q": r"\bq\d+|\bv\d+\.(?:4s|8h|2d|16b)", "z": r"\bz\d+\.[bhsd]"},
}


def family() -> str | None:
    """``x86``, ``arm``, or ``None`` for a processor whose instructions are not known here."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64", "i386", "i686", "x86"):
        return "x86"
    return "arm" if machine in ("aarch64", "arm64") else None


def count(assembly: str, kind: str | None = None) -> dict[str, int]:
    """Instructions of each class, and instructions that use each kind of vector register.

    :param kind: family of the assembly, by default this machine's.
    """
    kind = kind or family()
    if kind is None:
        return {}
    classes = X86 if kind == "x86" else ARM
    patterns = {name: re.compile(text) for name, text in classes.items()}
    registers = {name: re.compile(text) for name, text in REGISTERS[kind].items()}
    out = dict.fromkeys(("instructions", *classes, *registers), 0)
    for line in assembly.splitlines():
        words = line.split("#")[0].split("//")[0].split(None, 1)
        if not line.startswith(("\t", " ")) or not words or words[0].startswith("."):
            continue
        out["instructions"] += 1
        mnemonic = words[0].split(".")[0]
        for name, pattern in patterns.items():
            out[name] += pattern.fullmatch(mnemonic) is not None
        operands = words[1] if len(words) > 1 else ""
        for name, pattern in registers.items():
            out[name] += pattern.search(operands) is not None
    return out


def of_kernels() -> dict[str, Any] | None:
    """The kernels of the networks in machine code, ``None`` where nothing is compiled.

    Machine code that came from Numba's cache cannot be listed: the kernels are compiled again then, by the
    same compiler for the same processor.
    """
    from numba import config, njit

    if config.DISABLE_JIT:
        return None
    from refdec.integer.jit import kernels, vector_ir

    dispatcher: Any = kernels.run_program
    signature = dispatcher.signatures[0]
    with warnings.catch_warnings():
        # Numba says that there is nothing to see in cached code; that is looked at here.
        warnings.simplefilter("ignore")
        assembly = dispatcher.inspect_asm(signature)
    fresh = "run_program" in assembly and assembly.count("\n") > 1000
    if not fresh:
        again = njit(signature, nogil=True, error_model="numpy")(dispatcher.py_func)
        assembly = again.inspect_asm(signature)
    _, cpu, features = dispatcher.targetctx.codegen().magic_tuple()
    return {
        "target_cpu": cpu,
        "target_features": ",".join(word for word in features.split(",") if word.startswith("+")),
        "form": "pairs" if vector_ir.PAIRED else "single",
        "main_tile": vector_ir.MAIN_TILE,
        "compiled": "in this run" if fresh else "again for the listing",
        "counts": count(assembly),
    }
