"""The recipes: registered, documented, possible, and as various as the format."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import conformance.generate.recipes
from conformance.generate import draw
from conformance.generate.build import Builder
from conformance.generate.entry import SuiteSpec, context_of, make_stream
from conformance.generate.models import SyntheticModels
from conformance.generate.pages import pages
from conformance.generate.plan import Plan, both
from conformance.generate.registry import RECIPES, all_items, recipe
from conformance.generate.run import chosen
from conformance.verify.synthetic import Splitmix
from refdec.codestream import parse
from refdec.entropy.tables import coder_tables
from refdec.integer import prove
from refdec.models_io import KINDS, MODEL_IDS

FOLDER = Path(conformance.generate.recipes.__file__).parent


def test_every_recipe_is_registered_and_has_a_page() -> None:
    written = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", ())]
            if isinstance(node, ast.FunctionDef) and any(mark.startswith("recipe(") for mark in marks):
                written.add(node.name.strip("_").replace("_", "-"))
                page = ast.get_docstring(node)
                assert page is not None and page.split("\n\n")[0].endswith("."), node.name
    all_items()
    assert written == set(RECIPES)


def test_names_are_those_of_files() -> None:
    names = [item.name for item in all_items()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", name) for name in names)
    assert all(item.purpose.endswith(".") and len(item.purpose) < 400 for item in all_items())
    text = pages("All", all_items())
    assert all(f"`{name}`" in text for name in names)


def test_a_recipe_without_a_page_or_with_a_name_that_is_taken_is_refused() -> None:
    def smallest(_context: object) -> Plan:
        """Another one."""
        return Plan()

    def undocumented(_context: object) -> Plan:
        return Plan()

    with pytest.raises(ValueError, match="called 'smallest'"):
        recipe("must-decode")(smallest)
    with pytest.raises(ValueError, match="docstring"):
        recipe("must-decode")(undocumented)


def test_profiles_and_levels_choose_what_fits() -> None:
    streams = {
        (profile, level): {item.name for item in chosen(SuiteSpec(profile=profile, level=level))}
        for profile, level in ((0, 52), (1, 52), (2, 52), (2, 50))
    }
    simple, base, high, one_model = streams.values()
    assert simple < base < high and one_model < high
    assert "operating-point-hop" in high - base and "operating-point-bop" in base - simple
    assert "model-0" in high - one_model and "model-2" in one_model
    context = context_of(SuiteSpec(profile=2, level=50))
    context.name = "size-65x64"
    assert parse(context.build(Plan(model=1))).picture.model_id == 2


def test_a_stream_depends_on_seed_and_name_alone() -> None:
    alone = make_stream(SuiteSpec(), "gain-random")
    make_stream(SuiteSpec(), "smallest")
    again = make_stream(SuiteSpec(), "gain-random")
    assert alone == again
    other = make_stream(SuiteSpec(seed=2), "gain-random")
    assert other.stream != alone.stream and other.entry["models"] != alone.entry["models"]


def test_synthetic_models_have_every_operation_and_near_limits() -> None:
    models = SyntheticModels(1)
    operations, share = set(), 0.0
    for kind in KINDS:
        for component in (0, 1):
            for graph in models.load(0, kind, component).graphs.values():
                operations |= {node.op for node in graph.nodes}
                for accumulator in prove(graph).accumulators.values():
                    share = max(share, int(accumulator.bound.max()) / (1 << 31))
    assert len(operations) == 13 and 0.95 < share < 1
    for m in MODEL_IDS:
        for point in ("sop", "bop", "hop"):
            models.synthesis(m, point, 1)
    # A seed gives the same model on every machine.
    assert models.load(0, "sop", 0).digest.startswith("e8574b9a7c1a3a33")


@pytest.mark.parametrize("threads", [1, 4])
def test_the_coder_is_led_through_states(threads: int) -> None:
    random = Splitmix(5)
    levels = random.integers(0, 31, (40, 16, 16)).astype(np.uint8)
    mask = np.ones(levels.shape, np.bool_)
    symbols = draw.all_states(random, levels, mask, threads)
    bounds = coder_tables().bounds.astype(int)[levels]
    seen = {
        (level, value if abs(value) < bound else -bound)
        for level, value, bound in zip(levels.flat, symbols.flat, bounds.flat, strict=True)
    }
    # Every symbol of every level that has one, escapes included.
    assert len(seen) == np.count_nonzero(coder_tables().masses)


def test_symbols_follow_the_distributions() -> None:
    levels = np.full(20_000, 20, np.uint8)
    drawn = draw.model_symbols(Splitmix(1), levels, np.ones(levels.shape, np.bool_), 1)
    masses = coder_tables().masses[20]
    assert abs(np.count_nonzero(drawn == 0) * 256 - 20_000 * masses[0]) < 20_000 * 16
    escaped = np.abs(drawn) >= coder_tables().bounds[20]
    assert 20 < np.count_nonzero(escaped) < 180 and drawn[escaped].min() < 0 < drawn[escaped].max()


def test_quality_maps_hold_every_index() -> None:
    assert set(np.unique(draw.stripes(Splitmix(1), (4, 17)))) == set(range(-8, 9))
    context = context_of(SuiteSpec())
    context.name = "any"
    builder = Builder(context, Plan(quality=draw.noise, parts=both(cubes="random")))
    assert builder.quality_map is not None and builder.picture.gain_3D_enable_flag
    assert builder.picture.components[0].cube_flags is not None
