"""Write docs/tools.md: every tool and syntax element, its code, its tests, its shortest stream.

    refconf coverage SUITE --json coverage.json
    python tools/tools_table.py coverage.json

Code is found by the statement ids that it carries, tests by the names and ids that they mention, streams by
what coverage recorded.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.coverage.headers import branches
from conformance.coverage.statements import places
from refdec.codestream.payloads import REGION_INDEX, REGION_SIZE, THREAD_SIZE_DELTA
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Field, Segment
from refdec.codestream.tool_syntax import TON

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tools.md"
SHOWN = 3
"""Files listed in a cell."""
PAGE_TEXT = """\
# Tools and syntax elements

What the standard has, where it is implemented, which tests and which stream cover it, and what is refused.
Streams are those of `refconf generate --profile base --seed 1`. `refconf coverage SUITE --json coverage.json`
and `python tools/tools_table.py coverage.json` write this page. Statements are defined in
[arithmetic](arithmetic.md), [networks](arithmetic-networks.md), [picture](arithmetic-picture.md),
[filters](arithmetic-filters.md) and [codestream](codestream.md).

## Tools

{tools}

## Syntax elements

Every element is read, written and shown by `refdec info` from the one description in
`refdec/codestream/*_syntax.py`; [tests/codestream](../tests/codestream) round-trips all of them with random
values. Rules in the last column are in [codestream](codestream.md).

{elements}
"""


@dataclass(frozen=True)
class Tool:
    """One coding tool.

    :param statements: beginnings of the ids of the statements that define it.
    :param fast: files of the fast engine, below ``refdec``. :param tests: files below ``tests``.
    :param branch: header branch that turns it on; empty for what every stream uses.
    :param limits: what of it is refused, and why.
    """

    name: str
    statements: tuple[str, ...]
    fast: tuple[str, ...]
    tests: tuple[str, ...]
    branch: str = ""
    limits: str = ""


_ENGINES = ("entropy/test_jit_equals_golden.py", "entropy/test_golden_reference.py")
_DECODE = ("decode/test_decode.py", "decode/test_reference_pictures.py")
_GRAPH = ("integer/jit/lower.py", "integer/jit/vector_sums.py")
TOOLS = (
    Tool("hyper-latent z", ("AR-Z-",), ("entropy/jit/decode.py",), _ENGINES),
    Tool(
        "hyper scale decoder",
        ("AR-HSD-", "AN-HSD-"),
        _GRAPH,
        ("integer/test_hyper_scale.py", "stage/test_hyper_scale_vectors.py"),
    ),
    Tool(
        "scales, gain, displacement",
        ("AR-LOG-",),
        ("entropy/jit/fields.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
    ),
    Tool(
        "me-tANS",
        ("AR-TANS-", "AR-TAB-", "AR-PDF-", "AR-RES-"),
        ("entropy/jit/decode.py", "entropy/jit/coders.py"),
        ("entropy/test_golden_round_trips.py", "entropy/test_jit_vectors.py", *_ENGINES),
    ),
    Tool(
        "threads",
        ("CS-THR-",),
        ("entropy/jit/payload.py",),
        ("codestream/test_own_vectors.py", *_ENGINES),
        "PIH.components[i].multi_threading_r: 1",
    ),
    Tool(
        "skip mode", ("AR-SKIP-",), ("entropy/jit/fields.py",), ("entropy/test_golden_scales.py", *_ENGINES)
    ),
    Tool(
        "cube flags",
        ("CS-GEO-05",),
        ("entropy/jit/fields.py",),
        ("codestream/test_geometry.py", *_ENGINES),
        "PIH.components[i].use_cube_flags: 1",
    ),
    Tool(
        "quality map",
        ("AR-QMAP-",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_streams.py", *_ENGINES),
        "PIH.gain_3D_enable_flag: 1",
    ),
    Tool(
        "RVS",
        ("AR-RVS-",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        "PIH.components[i].rvs_enable_flag: 1",
    ),
    Tool(
        "GRFS",
        ("AR-RVS-03",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        "PIH.components[i].grfs_enable_flag: 1",
    ),
    Tool(
        "dequantisation",
        ("AR-DEQ-",),
        ("entropy/jit/fields.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
    ),
    Tool(
        "LSBS",
        ("AR-LSBS-", "AR-LAT-"),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", "networks/test_between_graphs.py", *_DECODE),
        "TON.lsbs_enable_flag[0]: 1",
    ),
    Tool(
        "fewer channels, progressive decoding",
        ("AR-PROG-",),
        ("entropy/jit/payload.py",),
        ("entropy/test_golden_streams.py", "decode/test_command.py", *_DECODE),
    ),
    Tool(
        "hyper-decoder and context model",
        ("AR-LAT-",),
        ("networks/jit.py", *_GRAPH),
        ("networks/test_orchestration.py", "networks/test_networks_reference_values.py", *_DECODE),
    ),
    Tool(
        "regions, dependent and independent",
        ("CS-REG-", "CS-GEO-06", "CS-GEO-07"),
        (),
        ("codestream/test_geometry.py", "networks/test_orchestration.py", *_DECODE),
        "PIH.region_partitioning_flag: 1",
    ),
    Tool(
        "synthesis tiles",
        ("CS-GEO-08", "CS-GEO-09", "CS-GEO-11"),
        (),
        ("codestream/test_geometry.py", "networks/test_orchestration.py", *_DECODE),
        "PIH.components[i].synthesis_tile_enable: 1",
    ),
    *(
        Tool(
            name,
            statements,
            _GRAPH,
            ("integer/test_engines.py", "networks/test_networks_reference_values.py", *_DECODE),
            f"PIH.synthesis_transform_id: {number}",
        )
        for number, (name, statements) in enumerate(
            (
                ("SOP", ("AN-CONV-", "AN-TCONV-")),
                ("BOP", ("AN-CONV-", "AN-TCONV-")),
                ("HOP", ("AN-ATT-", "AN-NORM-")),
            )
        )
    ),
    Tool(
        "display crop",
        ("AR-PIC-03",),
        (),
        ("picture/test_picture.py", *_DECODE),
        "PIH.diff_display_img_width: between",
    ),
    Tool(
        "chroma formats 4:2:0 and 4:2:2",
        ("AR-PIC-04", "AR-PIC-05"),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", "picture/test_picture.py", *_DECODE),
        "PIH.c_ver_minus1: 1",
    ),
    Tool(
        "bit depths",
        ("AR-PIC-08",),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", *_DECODE),
        "PIH.bit_depth_idc: 1",
        "12, 14 and 16 bits are refused: the public sources define the output conversion for 8 and 10 bits",
    ),
    Tool(
        "BT.709 to RGB",
        ("AR-PIC-07",),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", *_DECODE),
        "PIH.colour_transform_idx: 1",
    ),
    Tool(
        "user-defined colour transform",
        ("AR-PIC-09",),
        (),
        ("picture/test_picture.py",),
        "PIH.colour_transform_idx: 2",
        "parsed and refused: the reference's inverse is unusable and no other definition is public",
    ),
    Tool(
        "EFE linear",
        ("AR-EFL-",),
        ("filters/jit/efe.py",),
        ("filters/test_efe.py", "filters/test_efe_reference.py", "decode/test_efe.py"),
        "TON.EFE_linear_filter_enabled_flag: 1",
    ),
    Tool(
        "eICCI",
        ("AR-ICC-",),
        ("filters/jit/eicci.py", *_GRAPH),
        ("filters/test_eicci.py", "filters/test_eicci_reference.py"),
        "TON.icci_enable_flag: 1",
    ),
    Tool(
        "EFE non-linear",
        ("AR-EFN-",),
        ("filters/jit/efe.py",),
        ("filters/test_efe.py", "filters/test_efe_reference.py", "decode/test_efe.py"),
        "TON.EFE_nonlinear_filter_enabled_flag: 1",
    ),
    Tool("LEF", ("AR-LEF-",), ("filters/jit/lef.py",), ("filters/test_lef.py",), "TON.LEF_enabled_flag: 1"),
    Tool(
        "rendering information",
        ("CS-RDI-",),
        (),
        ("codestream/test_round_trips.py",),
        "substream RDI",
        "read, changes no sample",
    ),
    Tool(
        "user-defined information",
        ("CS-CON-08",),
        (),
        ("codestream/test_own_vectors.py",),
        "substream UDI",
        "kept as bytes",
    ),
    Tool("profiles and levels", ("CS-PRO-", "CS-LVL-"), (), ("codestream/test_malformed.py",)),
)
SEGMENTS: tuple[Segment, ...] = (PIH, TON, RDI)
TABLES = (REGION_SIZE, REGION_INDEX, THREAD_SIZE_DELTA)


class Shortest:
    """The shortest stream by point, out of a coverage report."""

    def __init__(self, report: Path) -> None:
        groups = json.loads(report.read_text(encoding="utf-8"))["groups"]
        self.statements: Mapping[str, str] = groups["statements"]["shortest"]
        self.headers: Mapping[str, str] = groups["headers"]["shortest"]

    def of_tool(self, tool: Tool) -> str:
        if tool.branch:
            return self.headers.get(tool.branch, "")
        found = [self.statements[i] for i in sorted(self.statements) if i.startswith(tool.statements)]
        return found[0] if found else ""

    def of_element(self, element: Field) -> str:
        """A stream in which the element is there, and is not at its smallest value where there is one."""
        names = [name for name, owner in branches().items() if owner == element.id and name in self.headers]
        names.sort(key=lambda name: name.endswith((": absent", ": 0", ": smallest", ": present")))
        return self.headers[names[0]] if names else self.statements.get(element.id, "")


@cache
def texts(folder: str) -> dict[str, str]:
    """Python files below a folder of the project by their path."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}


def mentioning(folder: str, words: Iterable[str], beside: str = "") -> list[str]:
    """Files that mention one of the words, those that do so most often first."""
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}" for word in words))
    counts = {
        path: len(pattern.findall(text))
        for path, text in texts(folder).items()
        if not beside or beside not in path
    }
    return sorted((path for path, count in counts.items() if count), key=lambda path: (-counts[path], path))


def code_of(tool: Tool) -> list[str]:
    """Files that carry the tool's statements, in code or in the description of the syntax; the fast ones."""
    slow = [place.where.partition(":")[0] for place in places() if place.point.startswith(tool.statements)]
    if not slow:
        slow = [path for path in mentioning("refdec", tool.statements) if "/jit/" not in path]
    return list(dict.fromkeys([*slow, *(f"refdec/{path}" for path in tool.fast)]))


def linked(paths: list[str], shown: int = SHOWN) -> str:
    """Links to the first few files, none of which may be missing."""
    lost = [path for path in paths if not (ROOT / path).is_file()]
    if lost:
        raise SystemExit(f"not there: {', '.join(lost)}")
    return ", ".join(f"[{Path(p).parent.name}/{Path(p).name}](../{p})" for p in paths[:shown])


def named(stream: str) -> str:
    return f"`{stream}`" if stream else "none"


def tool_rows(shortest: Shortest) -> Iterable[str]:
    yield "| tool | statements | code | tests | shortest stream | refused |"
    yield "|---|---|---|---|---|---|"
    for tool in TOOLS:
        tests = [f"tests/{path}" for path in tool.tests]
        ids = ", ".join(s.removesuffix("-") for s in tool.statements)
        yield (
            f"| {tool.name} | {ids} | {linked(code_of(tool), 9)} | {linked(tests, 9)} "
            f"| {named(shortest.of_tool(tool))} | {tool.limits} |"
        )


def element_rows(shortest: Shortest) -> Iterable[str]:
    yield "| id | element | read by | tests | shortest stream | refused by |"
    yield "|---|---|---|---|---|---|"
    elements = [(segment.name, f) for segment in SEGMENTS for f in segment.by_id.values()]
    for segment, element in [*elements, *(("tables", f) for f in TABLES)]:
        readers = mentioning("refdec", (element.name,), beside="_syntax.py")
        rules = ", ".join(rule.id for rule in element.rules)
        yield (
            f"| {element.id} | {segment}.`{element.label}` | {linked(readers)} "
            f"| {linked(mentioning('tests', (element.name, element.id)))} "
            f"| {named(shortest.of_element(element))} | {rules} |"
        )


def page(report: Path) -> str:
    """The whole page."""
    shortest = Shortest(report)
    return PAGE_TEXT.format(tools="\n".join(tool_rows(shortest)), elements="\n".join(element_rows(shortest)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coverage", type=Path, help="report of refconf coverage --json")
    PAGE.write_text(page(parser.parse_args().coverage), encoding="utf-8")


if __name__ == "__main__":
    main()
