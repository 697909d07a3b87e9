"""Each known defect makes a decoder, encoder or table fail that is right without it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import re
from collections.abc import Iterator

import pytest

from conformance.generate.entry import SuiteSpec, context_of, make_stream
from conformance.mutants import patch
from conformance.mutants.cases import Case
from conformance.mutants.mutant import STAGES
from conformance.mutants.replay import examine
from conformance.mutants.run import unguarded
from refdec.codestream import Dialect
from refdec.entropy.golden import z
from refdec.errors import BitstreamError
from refdec.settings import Settings
from refdec.trace import key
from tests.mutants.defect_checks import CHECKS, NEED_TORCH
from tests.mutants.known_defects import MUTANTS, REJECTED, ROWS, Row
from tests.mutants.own_mutants import OWN
from tests.shared_vectors import SHARED

SUITE = SuiteSpec(profile=2)
FAILURES = (AssertionError, ValueError, RuntimeError, BitstreamError, pytest.fail.Exception)


@pytest.fixture(scope="module")
def trusting() -> Iterator[None]:
    """A golden decoder without its assertions: a mutant is convicted by what it puts out. Tables of the
    hyper-latent, which no mistake here is in, are made once."""
    made = functools.cache(z.decode_entries)
    for name in {edit.module for mutant in MUTANTS.values() for edit in mutant.edits}:
        importlib.import_module(name)
    with unguarded(), patch.surveyed(), patch.replaced(z, "decode_entries", lambda cdf: made(tuple(cdf))):
        yield


@functools.cache
def stream(name: str) -> Case:
    """A generated stream, with the right tensors of every stage."""
    made = make_stream(SUITE, name)
    entry, rejection = made.entry, None
    expected: dict[str, str] = {}
    if made.trace is None:
        rejection = {part: entry["expect"][part] for part in ("error", "element", "bit_offset")}
    else:
        for line in map(json.loads, made.trace.splitlines()[1:]):
            expected[key(line["point"], line["component"], line["region"])] = line["sha256"]
    settings = Settings(
        "golden",
        quality_rounding=entry["quality_rounding"],
        channels=entry.get("channels"),
        operating_point=entry["operating_point"],
    )
    models = context_of(SUITE).models
    case = Case(name, made.stream, Dialect.T840, settings, models, 0, expected, rejection, STAGES[-1])
    assert (rejection is not None) == (name in REJECTED)
    assert examine(case, STAGES[0], STAGES[-1], keep=True) is None
    return case


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_a_defect_is_found(row: Row, trusting: None) -> None:
    for name, place in row.shown:
        mutant = MUTANTS[name]
        assert not mutant.equivalent
        if place in CHECKS:
            if place in NEED_TORCH and importlib.util.find_spec("torch") is None:
                pytest.skip("needs torch")
            CHECKS[place]()
            with patch.applied(mutant), pytest.raises(FAILURES):
                CHECKS[place]()
            # and nothing of it stays
            CHECKS[place]()
        else:
            case = stream(place)
            with patch.applied(mutant):
                assert examine(case, *mutant.stages) is not None, name


def test_what_cannot_be_told_cannot_be_told() -> None:
    CHECKS["activation_in_front_of_the_shift_is_the_same"]()
    for name in ("level-truncated", "tiles-in-reverse-order"):
        assert MUTANTS[name].equivalent


def test_the_table_is_whole() -> None:
    names = [row.row for row in ROWS]
    assert len(set(names)) == len(names) == 71 and all(row.shown and row.defect for row in ROWS)
    used = {name for row in ROWS for name, _ in row.shown}
    assert {mutant.name for mutant in OWN} <= used
    listed = {
        source.split(",")[0]
        for mutant in MUTANTS.values()
        for source in mutant.sources
        if re.match(r"entropy 8 [AB]|networks 13", source)
    }
    assert listed <= set(names)


@pytest.mark.skipif(not (SHARED / "spec").is_dir(), reason="the shared specification is not here")
def test_every_row_of_the_lists_is_there() -> None:
    names = {row.row for row in ROWS}
    entropy = (SHARED / "spec" / "entropy.md").read_text(encoding="utf-8")
    section = entropy.split("## 8. Known defects")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| ([AB]\d+)\b", section, re.MULTILINE))
    assert len(rows) >= 24 and {f"entropy 8 {row}" for row in rows} <= names
    mutations = section.split("**C. ")[1].split(":**", 1)[1]
    # several mistakes share a row of ours, or one of theirs has two
    assert mutations.count(";") + 1 <= 1.3 * sum(name.startswith("entropy 8 C") for name in names)
    networks = (SHARED / "spec" / "networks.md").read_text(encoding="utf-8")
    section = networks.split("## 13. Numerics and pitfalls")[1].split("\n---")[0]
    numbers = re.findall(r"^(\d+)\. ", section, re.MULTILINE)
    assert len(numbers) == 23 and {f"networks 13.{number}" for number in numbers} <= names
