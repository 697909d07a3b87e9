"""Every mutant can be applied and taken out again, and changes what it says that it changes."""

from __future__ import annotations

import gc
import re
import sys
from contextlib import nullcontext
from types import FunctionType

import numpy as np
import pytest

from conformance.mutants import patch
from conformance.mutants.catalogue import CATALOGUE
from conformance.mutants.mutant import STAGES, Edit, Module, Mutant, MutantError, catalogue_of
from refdec.codestream.picture_syntax import PIH
from refdec.entropy.golden import scales, z
from refdec.entropy.tables import coder_tables
from refdec.tables import table


def state() -> dict[int, object]:
    """The code of every function of the package that is alive, by the function's identity."""
    alive = [f for f in gc.get_objects() if type(f) is FunctionType and str(f.__module__)[:7] == "refdec."]
    return {id(f): f.__code__ for f in alive if f.__globals__ is sys.modules[f.__module__].__dict__}


def test_the_catalogue_has_at_least_250_mistakes() -> None:
    assert len([m for m in CATALOGUE if not m.equivalent]) >= 250
    for mutant in CATALOGUE:
        assert re.fullmatch(r"[a-z0-9][a-z0-9:+'-]+", mutant.name), mutant.name
        assert mutant.description.endswith(".") and mutant.sources, mutant.name
        assert STAGES.index(mutant.stages[0]) <= STAGES.index(mutant.stages[1]), mutant.name


def test_every_mutant_applies_and_is_taken_out_again() -> None:
    before = state()
    with patch.surveyed():
        for mutant in CATALOGUE:
            with patch.applied(mutant):
                pass
    after = state()
    assert all(after[key] is code for key, code in before.items() if key in after)
    assert len(before.keys() & after.keys()) > len(before) // 2
    assert int(coder_tables().decode.sum(dtype=np.int64)) == DECODE_SUM


DECODE_SUM = int(coder_tables().decode.sum(dtype=np.int64))


@pytest.mark.slow
def test_every_mutant_changes_something() -> None:
    """A change of source that compiles to the same code would be a mutant in name only."""
    for mutant in CATALOGUE:
        assert patch.changed_functions(mutant) != frozenset(), mutant.name


def test_a_survey_finds_what_is_found_without_one() -> None:
    """Functions wherever they are: of modules, of classes, and wrapped by caches."""
    for name in ("level-floored", "lef-gain-0-0-one-high", "width-without-64", "efe-border-floored"):
        found = []
        for survey in (patch.surveyed(), nullcontext()):
            with survey, patch.applied(named(name)):
                found.append(state())
        assert found[0] == found[1]


def named(name: str) -> Mutant:
    return next(m for m in CATALOGUE if m.name == name)


def test_functions_are_changed_wherever_they_were_imported() -> None:
    from refdec.entropy.golden.scales import levels

    with patch.applied(named("level-floored")):
        assert levels(np.array([127])).tolist() == scales.levels(np.array([127])).tolist() == [0]
    assert levels(np.array([127])).tolist() == [1]


def test_constants_are_changed_wherever_they_were_imported() -> None:
    with patch.applied(named("z-escape-of-seven-bits")):
        assert z.ESCAPE_BITS == 7
    assert z.ESCAPE_BITS == 6


def test_descriptions_of_syntax_are_changed_in_place() -> None:
    field = PIH.by_id["CS-PIH-44"]
    with patch.applied(named("map-threads-of-one-bit")):
        assert str(field.coding) == "u(1)"
    assert str(field.coding) == "u(2)"


def test_entries_of_tables_are_changed() -> None:
    with patch.applied(named("table-quality-level-3")):
        assert table("parameters", "quality_levels")[3] == 7
    assert table("parameters", "quality_levels")[3] == 6


def test_the_assertions_of_the_golden_decoder_can_be_switched_off() -> None:
    before = scales.skip_scale_log.__code__
    with patch.without_assertions([scales.__name__]):
        assert scales.skip_scale_log.__code__ != before
        with patch.applied(named("displacement-subtracted")):
            found = scales.skip_scale_log(np.zeros((1, 1, 1), int), np.array([0]), 5, None)
            assert found.item() == -5
    assert scales.skip_scale_log.__code__ == before


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ((Edit(scales.__name__, "no such text", ""),), "occurs 0 times"),
        ((Edit(scales.__name__, "np.", ""),), "times"),
        ((Edit(scales.__name__, "BLOCK = 8\n", ""),), "a statement of the module is added or removed"),
        ((Edit(scales.__name__, "import numpy as np", "import numpy as numbers"),), "can be changed"),
    ],
)
def test_what_cannot_be_applied_is_said(edits: tuple[Edit, ...], words: str) -> None:
    with pytest.raises(MutantError, match=words), patch.applied(Mutant("wrong", "", "", ("x",), edits)):
        pass


def test_comments_do_not_count() -> None:
    text = "a = 1  # one\n# two\nb = '# three'\n"
    assert patch.without_comments(text) == "a = 1\nb = '# three'\n"


def test_names_are_unique_and_changes_are_there() -> None:
    make = Module(scales.__name__, "", ("entropy", "entropy"))
    one = make("one", "One.", "x", "BLOCK = 8", "BLOCK = 4")
    with pytest.raises(MutantError, match="two mutants"):
        catalogue_of([one], [one])
    with pytest.raises(MutantError, match="changes nothing"):
        catalogue_of([Mutant("none", "", "", ())])
