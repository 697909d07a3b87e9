"""The recipes of a generated suite, by name.

A recipe is a small function. Its docstring is the page that a reader of the suite sees: what the streams
test, and what a failure means. Its first paragraph is the purpose of each stream.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.generate.build import Context
from conformance.generate.models import SyntheticModels
from conformance.generate.plan import Plan, Refused
from conformance.suite.records import Group
from refdec.codestream.profiles import TRANSFORM_NAMES, level_models
from refdec.command import UsageError

Make = Callable[..., "Plan | Refused"]


@dataclass(frozen=True)
class Recipe:
    """One registered recipe.

    :param variants: what the function gets besides the context, by the name that the stream's has behind its
        own; ``None``: one stream, nothing besides.
    :param exact_model: the stream makes no sense with another rate point.
    :param eicci: the networks of the inter-component filter must be there.
    :param others: the streams are coded with the second synthetic model set.
    """

    name: str
    group: Group
    make: Make
    page: str
    variants: Mapping[str, Any] | None = None
    exact_model: bool = False
    eicci: bool = False
    others: bool = False

    def __call__(self, context: Context, variant: str | None) -> Plan | Refused:
        """The plan of one stream, or a stream that must be refused."""
        if self.variants is None:
            return self.make(context)
        assert variant is not None
        return self.make(context, self.variants[variant])

    @property
    def items(self) -> list[Item]:
        """Its streams."""
        return [Item(self, variant) for variant in self.variants or (None,)]


@dataclass(frozen=True)
class Item:
    """One stream of a suite."""

    recipe: Recipe
    variant: str | None

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.recipe.name if self.variant is None else f"{self.recipe.name}-{self.variant}"

    @property
    def purpose(self) -> str:
        """What it is for, in one sentence."""
        line = " ".join(self.recipe.page.split("\n\n")[0].split())
        return line if self.variant is None else f"{line.removesuffix('.')}: {self.variant}."

    def make(self, context: Context) -> Plan | Refused:
        """The plan or the stream."""
        context.name = self.name
        return self.recipe(context, self.variant)


RECIPES: dict[str, Recipe] = {}


def recipe(
    group: Group,
    *,
    variants: Mapping[str, Any] | None = None,
    exact_model: bool = False,
    eicci: bool = False,
    others: bool = False,
) -> Callable[[Make], Make]:
    """Register the function below as a recipe; its name, with dashes, is that of the streams.

    :raises ValueError: it has no docstring, or the name is taken.
    """

    def register(make: Make) -> Make:
        name = make.__name__.strip("_").replace("_", "-")
        page = inspect.getdoc(make)
        if not page:
            raise ValueError(f"recipe '{name}' has no page: write a docstring")
        if name in RECIPES:
            raise ValueError(f"two recipes are called '{name}'")
        RECIPES[name] = Recipe(name, group, make, page, variants, exact_model, eicci, others)
        return make

    return register


def all_items() -> list[Item]:
    """Every stream of every recipe, in the order of registration.

    :raises UsageError: Python runs without docstrings, which are the recipes' pages.
    """
    if sys.flags.optimize > 1:
        raise UsageError("pages of a suite are docstrings, which python -OO (PYTHONOPTIMIZE=2) leaves out")
    from conformance.generate import recipes  # noqa: F401

    return [item for each in RECIPES.values() for item in each.items]


def items_for(context: Context) -> Iterator[Item]:
    """The streams that profile, level and model set allow."""
    for item in all_items():
        if item.recipe.group == "must-reject" or _possible(item, context):
            yield item


def _possible(item: Item, context: Context) -> bool:
    if item.recipe.eicci and not context.eicci:
        return False
    if item.recipe.others and not isinstance(context.models, SyntheticModels):
        return False
    plan = item.make(context)
    if isinstance(plan, Refused):
        return True
    points = [TRANSFORM_NAMES[t].lower() for t in context.points]
    level = int(plan.header.get("level_idc", context.level))
    if (item.recipe.exact_model or item.recipe.others) and plan.model not in level_models(
        level, plan.dialect
    ):
        return False
    return all(point is None or point in points for point in (plan.point, plan.decode_at))
