"""Write docs/tools.md: every tool and syntax element, its code, its tests, its shortest stream.

    make tools-page

makes the suite that the page names, its coverage, and the page. Code is found by the statement ids that it
carries, tests by the names and ids that they mention, streams by what coverage recorded.
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
from refdec.errors import UnsupportedFeatureError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tools.md"
RULES = ROOT / "docs" / "codestream.md"
SHOWN = 3
"""Files listed in a cell."""
PAGE_TEXT = """\
# Tools and syntax elements

<!-- written by: make tools-page -->

What the standard has, where it is implemented, which tests and which stream cover it, and what is refused.
Streams are those of `refconf generate --profile high --seed 1`: for a tool one that is made for it, for an
element the shortest that has it. Written anew by

```sh
make tools-page
```

Statements are defined in [arithmetic](arithmetic.md), [networks](arithmetic-networks.md),
[picture](arithmetic-picture.md), [filters](arithmetic-filters.md) and [codestream](codestream.md).

## Tools

{tools}

## Refused

What the syntax has and this decoder does not do, each with the error `unsupported` and exit code 4.

{refused}

## Syntax elements

Every element is read, written and shown by `refdec info` from the one description in
`refdec/codestream/*_syntax.py`; [tests/codestream](../tests/codestream) round-trips all of them with random
values. *Read by* are the files that use an element, *refused by* the rules of [codestream](codestream.md)
that it may break.

{elements}
"""


@dataclass(frozen=True)
class Tool:
    """One coding tool.

    :param statements: beginnings of the ids of the statements that define it.
    :param fast: files of the fast engine, below ``refdec``. :param tests: files below ``tests``.
    :param stream: of the suite, made for the tool.
    :param limits: what of it is refused, and why.
    """

    name: str
    statements: tuple[str, ...]
    fast: tuple[str, ...]
    tests: tuple[str, ...]
    stream: str
    limits: str = ""


_ENGINES = ("entropy/test_jit_equals_golden.py", "entropy/test_golden_reference.py")
_DECODE = ("decode/test_decode.py", "decode/test_reference_pictures.py")
_GRAPH = ("integer/jit/lower.py", "integer/jit/vector_sums.py")
TOOLS = (
    Tool(
        "container: markers, sizes, order of substreams",
        ("CS-CON-", "CS-BIT-"),
        (),
        ("codestream/test_malformed.py", "codestream/test_round_trips.py", "hostile/test_damage.py"),
        stream="bare",
    ),
    Tool("hyper-latent z", ("AR-Z-",), ("entropy/jit/decode.py",), _ENGINES, stream="z-any"),
    Tool(
        "hyper scale decoder",
        ("AR-HSD-", "AN-HSD-"),
        _GRAPH,
        ("integer/test_hyper_scale.py", "stage/test_hyper_scale_vectors.py"),
        stream="scales-highest",
    ),
    Tool(
        "scales, gain, displacement",
        ("AR-LOG-",),
        ("entropy/jit/fields.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        stream="displacement-luma-high",
    ),
    Tool(
        "me-tANS",
        ("AR-TANS-", "AR-TAB-", "AR-PDF-", "AR-RES-"),
        ("entropy/jit/decode.py", "entropy/jit/coders.py"),
        ("entropy/test_golden_round_trips.py", "entropy/test_jit_vectors.py", *_ENGINES),
        stream="states-1",
    ),
    Tool(
        "threads",
        ("CS-THR-",),
        ("entropy/jit/payload.py",),
        ("codestream/test_own_vectors.py", *_ENGINES),
        stream="threads-16",
    ),
    Tool(
        "skip mode",
        ("AR-SKIP-",),
        ("entropy/jit/fields.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        stream="skipped",
    ),
    Tool(
        "cube flags",
        ("CS-GEO-05",),
        ("entropy/jit/fields.py",),
        ("codestream/test_geometry.py", *_ENGINES),
        stream="cubes-random",
    ),
    Tool(
        "quality map",
        ("AR-QMAP-",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_streams.py", *_ENGINES),
        stream="map-17",
    ),
    Tool(
        "RVS",
        ("AR-RVS-",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        stream="rvs-1",
    ),
    Tool(
        "GRFS",
        ("AR-RVS-03",),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        stream="gain-random",
    ),
    Tool(
        "dequantisation",
        ("AR-DEQ-",),
        ("entropy/jit/fields.py",),
        ("entropy/test_golden_scales.py", *_ENGINES),
        stream="saturated",
    ),
    Tool(
        "LSBS",
        ("AR-LSBS-", "AR-LAT-"),
        ("entropy/jit/maps.py",),
        ("entropy/test_golden_scales.py", "networks/test_between_graphs.py", *_DECODE),
        stream="lsbs-3",
    ),
    Tool(
        "fewer channels, progressive decoding",
        ("AR-PROG-",),
        ("entropy/jit/payload.py",),
        ("entropy/test_golden_streams.py", "decode/test_command.py", *_DECODE),
        stream="progressive-16",
    ),
    Tool(
        "hyper-decoder and context model",
        ("AR-LAT-",),
        ("networks/jit.py", *_GRAPH),
        ("networks/test_orchestration.py", "networks/test_networks_reference_values.py", *_DECODE),
        stream="size-79x81",
    ),
    Tool(
        "regions, dependent and independent",
        ("CS-REG-", "CS-GEO-06", "CS-GEO-07"),
        (),
        ("codestream/test_geometry.py", "networks/test_orchestration.py", *_DECODE),
        stream="regions-rows",
    ),
    Tool(
        "synthesis tiles",
        ("CS-GEO-08", "CS-GEO-09", "CS-GEO-11"),
        (),
        ("codestream/test_geometry.py", "networks/test_orchestration.py", *_DECODE),
        stream="tiles-64-16",
    ),
    *(
        Tool(
            name,
            statements,
            _GRAPH,
            ("integer/test_engines.py", "networks/test_networks_reference_values.py", *_DECODE),
            stream=f"operating-point-{name.lower()}",
        )
        for name, statements in (
            ("SOP", ("AN-CONV-", "AN-SHUFFLE-")),
            ("BOP", ("AN-CONV-", "AN-TCONV-")),
            ("HOP", ("AN-ATT-", "AN-NORM-")),
        )
    ),
    Tool("display crop", ("AR-PIC-03",), (), ("picture/test_picture.py", *_DECODE), stream="display-62-61"),
    Tool(
        "chroma formats 4:2:0 and 4:2:2",
        ("AR-PIC-04", "AR-PIC-05"),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", "picture/test_picture.py", *_DECODE),
        stream="planes-420",
    ),
    Tool(
        "bit depths",
        ("AR-PIC-08",),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", *_DECODE),
        limits="12, 14 and 16 bits: public sources define the output conversion of 8 and 10 bits only",
        stream="ten-bits-rgb",
    ),
    Tool(
        "BT.709 to RGB",
        ("AR-PIC-07",),
        ("picture/jit.py",),
        ("picture/test_engines_agree.py", *_DECODE),
        stream="clipped-rgb",
    ),
    Tool(
        "user-defined colour transform",
        ("AR-PIC-09",),
        (),
        ("picture/test_picture.py",),
        limits="parsed and refused: the reference's inverse is unusable and no other definition is public",
        stream="unsupported-colour-transform-idx-cs-pih-r06",
    ),
    Tool(
        "EFE linear",
        ("AR-EFL-",),
        ("filters/jit/efe.py",),
        ("filters/test_efe.py", "filters/test_efe_reference.py", "decode/test_efe.py"),
        stream="efe-split-1",
    ),
    Tool(
        "eICCI",
        ("AR-ICC-",),
        ("filters/jit/eicci.py", *_GRAPH),
        ("filters/test_eicci.py", "filters/test_eicci_reference.py"),
        stream="icci-bop-0",
    ),
    Tool(
        "EFE non-linear",
        ("AR-EFN-",),
        ("filters/jit/efe.py",),
        ("filters/test_efe.py", "filters/test_efe_reference.py", "decode/test_efe.py"),
        stream="efe-curve-one-444",
    ),
    Tool("LEF", ("AR-LEF-",), ("filters/jit/lef.py",), ("filters/test_lef.py",), stream="lef-0"),
    Tool(
        "rendering information",
        ("CS-RDI-",),
        (),
        ("codestream/test_round_trips.py",),
        limits="read, changes no sample",
        stream="rendering",
    ),
    Tool(
        "user-defined information",
        ("CS-CON-08",),
        (),
        ("codestream/test_own_vectors.py",),
        limits="kept as bytes",
        stream="user-data",
    ),
    Tool(
        "profiles and levels", ("CS-PRO-", "CS-LVL-"), (), ("codestream/test_malformed.py",), stream="area-1"
    ),
)
SEGMENTS: tuple[Segment, ...] = (PIH, TON, RDI)
TABLES = (REGION_SIZE, REGION_INDEX, THREAD_SIZE_DELTA)


class Shortest:
    """The shortest stream by point, out of a coverage report."""

    def __init__(self, path: Path) -> None:
        report = json.loads(path.read_text(encoding="utf-8"))
        groups = report["groups"]
        self.statements: Mapping[str, str] = groups["statements"]["shortest"]
        self.headers: Mapping[str, str] = groups["headers"]["shortest"]
        self.names = {stream["name"] for stream in report["streams"]}

    def of_tool(self, tool: Tool) -> str:
        """:raises SystemExit: the suite has no such stream."""
        if tool.stream and tool.stream not in self.names:
            raise SystemExit(f"the suite has no stream {tool.stream}")
        return tool.stream

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
    yield "| tool | statements | code | tests | stream | refused |"
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


def refused_rows(shortest: Shortest) -> Iterable[str]:
    """Rules whose breach is no mistake of the stream, as docs/codestream.md words them."""
    text = RULES.read_text(encoding="utf-8")
    words = dict(re.findall(r"^\| (CS-[A-Z]{3}-R\d{2}) \| (.*) \| unsupported \|$", text, re.MULTILINE))
    yield "| rule | element | what is accepted, and why no more | stream |"
    yield "|---|---|---|---|"
    elements = [(segment.name, f) for segment in SEGMENTS for f in segment.by_id.values()]
    for segment, element in elements:
        for rule in element.rules:
            if rule.error is UnsupportedFeatureError:
                name = f"{segment}.`{element.label}`"
                stream = refusing(shortest, element.label, rule.id)
                yield f"| {rule.id} | {name} | {words[rule.id]} | {named(stream)} |"


def refusing(shortest: Shortest, element: str, rule: str) -> str:
    """The suite's stream that breaks a rule."""
    ending = f"-{rule}".lower()
    label = element.split(".")[-1].replace("_minus1", "").replace("_", "-").lower()
    found = [name for name in sorted(shortest.names) if name.endswith(ending) and label in name]
    return found[0] if found else ""


def page(report: Path) -> str:
    """The whole page."""
    shortest = Shortest(report)
    return PAGE_TEXT.format(
        tools="\n".join(tool_rows(shortest)),
        refused="\n".join(refused_rows(shortest)),
        elements="\n".join(element_rows(shortest)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coverage", type=Path, help="report of refconf coverage --json")
    PAGE.write_text(page(parser.parse_args().coverage), encoding="utf-8")


if __name__ == "__main__":
    main()
