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
# Vector registers of the next three have no names of their own in assembly: the instructions say it.
POWER = {
    "vmuluwm": r"vmuluwm",
    "mulld": r"mulld",
    "vector": r"(?:v|xx|xv|lxv|stxv|lv|stv)\w+",
    "float": (
        r"f(?:add|sub|mul|div|n?m(?:add|sub)|r?sqrt|re|rsqrte|cmp\w|ri[mnpz]|rsp|ct\w+|cf\w+)s?\.?"
        r"|x[sv](?:add|sub|mul|div|n?m(?:add|sub)[am]|r?sqrte?|re|cv|max|min|cmp|rsp|[rd]p)\w*"
        r"|v(?:add|sub|madd|nmsub|max|min|re|rsqrte|rfi\w|cmp\w+)fp|vcf[su]x|vct[su]xs"
    ),
}
Z = {
    "vml": r"vml\w*",
    "vmal": r"vmal\w*",
    "ms, mh": r"ms|msr|msg|msgr|msgf|msgfr|mh",
    "vector": r"v\w+",
    "float": (
        r"(?:a|s|m|d|c|k|sq|ma|ms|lt|lc|ln|lp|me|md|le|ld|lx|fi)[edx]{1,2}b(?:ra?)?"
        r"|c[edx]l?[fg]b(?:ra?)?|cl?[fg][edx]b(?:ra?)?"
        # Not the searches in vectors: vfae, vfee, vfene.
        r"|[vw]f(?!ae|ee|ene)\w+|[vw]c[de]l?[fg]b|[vw]cl?[fg][de]b|[vw](?:led|lde)b"
    ),
}
RISC_V = {
    "mul": r"mulw?",
    "vmul": r"vw?m(?:ul|acc|add)\w*",
    "vector": r"v\w+",
    "float": (
        r"f(?:add|sub|mul|div|sqrt|n?m(?:add|sub)|min|max|cvt|eq|lt|le)"
        r"|vfw?(?:add|sub|rsub|mul|div|rdiv|n?m(?:acc|sac|add|sub)|n?cvt|sqrt|min|max|red\w*)|vmf\w+"
    ),
}
# 32-bit ARM: the type is part of the name; moves between registers know no types.
NEON = {
    "vmlal": r"vmlal\.s\d+",
    "vmull": r"vmull\.s\d+",
    "vmla, vmul": r"vm(?:la|ul)\.i\d+",
    "float": r"v(?!mov)\w+\.f(?:16|32|64)|vcvt\w*(?:\.\w+)+",
}
FAMILIES = {"x86": X86, "arm": ARM, "neon": NEON, "power": POWER, "z": Z, "risc-v": RISC_V}
REGISTERS = {
    "x86": {"zmm": r"%zmm\d", "ymm": r"%ymm\d", "xmm": r"%xmm\d"},
    "arm": {"q": r"\bq\d+|\bv\d+\.(?:4s|8h|2d|16b)", "z": r"\bz\d+\.[bhsd]"},
    "neon": {"q": r"\bq\d"},
}
MACHINES = {
    **dict.fromkeys(("x86_64", "amd64", "i386", "i686", "x86"), "x86"),
    **dict.fromkeys(("aarch64", "arm64"), "arm"),
    **dict.fromkeys(("armv7l", "armv8l"), "neon"),
    "ppc64le": "power",
    "s390x": "z",
    "riscv64": "risc-v",
}


def family() -> str | None:
    """A key of :data:`FAMILIES`, or ``None`` for a processor whose instructions are not known here."""
    return MACHINES.get(platform.machine().lower())


def count(assembly: str, kind: str | None = None) -> dict[str, int]:
    """Instructions of each class, and instructions that use each kind of vector register.

    :param kind: family of the assembly, by default this machine's.
    """
    kind = kind or family()
    if kind is None:
        return {}
    classes = FAMILIES[kind]
    patterns = {name: re.compile(text) for name, text in classes.items()}
    registers = {name: re.compile(text) for name, text in REGISTERS.get(kind, {}).items()}
    out = dict.fromkeys(("instructions", *classes, *registers), 0)
    for line in assembly.splitlines():
        words = line.split("#")[0].split("//")[0].split(None, 1)
        if not line.startswith(("\t", " ")) or not words or words[0].startswith("."):
            continue
        out["instructions"] += 1
        mnemonic = words[0].split(".")[0]
        for name, pattern in patterns.items():
            out[name] += any(map(pattern.fullmatch, {mnemonic, words[0]}))
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
