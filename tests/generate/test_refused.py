"""Streams that must be rejected: enough of them, of every class, refused where their recipes say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from conformance.generate.bases import PLANS, good
from conformance.generate.build import Builder, Context
from conformance.generate.entry import SuiteSpec, context_of, make_stream, refusal
from conformance.generate.headers import breaches, write_wrong
from conformance.generate.plan import Refused
from conformance.generate.recipes.header_rules import _cases
from conformance.generate.registry import Item, all_items
from refdec import errors
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.syntax import Group, Segment, fields_of
from refdec.codestream.tool_syntax import TON
from refdec.decoder import decode
from refdec.errors import BitstreamError

SPEC = SuiteSpec(profile=0)
SLOW = ("payloads", "hostile")
CLASSES = {
    name
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, BitstreamError) and item is not BitstreamError
}


def refused(group: str) -> list[Item]:
    return [item for item in all_items() if item.recipe.group == group and is_bad(item)]


def is_bad(item: Item) -> bool:
    return item.recipe.make.__annotations__["return"] == "Refused"


def test_there_are_enough_and_of_every_class() -> None:
    items = refused("must-reject")
    assert len(items) >= 120
    quick = [item for item in items if not item.recipe.make.__module__.endswith(SLOW)]
    few = [item for item in items if item not in quick][::5]
    classes = Counter(make_stream(SPEC, item.name).entry["expect"]["error"] for item in quick + few)
    assert set(classes) == CLASSES, classes


def test_what_the_reference_does_not_support_may_be_rejected() -> None:
    found = Counter()
    for item in refused("may-reject"):
        made = make_stream(SPEC, item.name)
        assert made.trace is None and "picture" not in made.entry
        found[made.entry["expect"]["error"]] += 1
    assert set(found) == {"UnsupportedFeatureError", "ResourceLimitError"}


def rules(segment: Segment) -> set[str]:
    return {r.id for f in fields_of(segment.elements) for r in f.rules if not r.tolerated}


@pytest.mark.parametrize("segment", [PIH, TON])
def test_every_rule_of_the_syntax_is_broken(segment: Segment) -> None:
    broken = {statement for _, statement in _cases()}
    missing = rules(segment) - broken
    assert missing == set()
    assert any(isinstance(element, Group) for element in segment.elements)


def test_a_breach_is_one_value_and_the_rest_is_as_it_was() -> None:
    context = Context(0, 0, 52, context_of(SPEC).models, "any")
    builder = Builder(context, PLANS["plain"])
    picture = builder.picture
    same = next(b for b in breaches(PIH, picture, picture) if b.name == "model_id")
    payload, offset = write_wrong(PIH, picture, picture, replace(same, value=picture.model_id))
    right = good(context_of(SPEC), "plain").stream.substreams[0].payload
    assert payload == right and 0 < offset < 8 * len(payload)


@pytest.mark.parametrize("engine", ["golden", "jit"])
def test_both_engines_refuse_alike(engine: str) -> None:
    context = context_of(SPEC)
    for item in refused("must-reject")[::12]:
        bad = item.make(context)
        assert isinstance(bad, Refused)
        expected = refusal(context, bad)
        assert expected is not None, item.name
        with pytest.raises(type(expected)) as caught:
            decode(bad.data, context.models, engine=engine, dialect=bad.base.plan.dialect)
        found = (caught.value.element, caught.value.bit_offset)
        assert found == (expected.element, expected.bit_offset), item.name


@pytest.mark.slow
def test_every_stream_is_refused_as_its_recipe_says() -> None:
    classes = Counter(
        make_stream(SPEC, item.name).entry["expect"]["error"] for item in refused("must-reject")
    )
    print(classes)
    assert classes.total() >= 280
