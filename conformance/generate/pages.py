"""The pages of a suite: what its streams test, and what a failure means, from the recipes' docstrings."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.generate.registry import Item
from conformance.suite.records import GROUPS

PROMISES = {
    "must-decode": "A decoder gives exactly the picture that the record states.",
    "may-reject": "A decoder gives exactly that picture, or refuses: a limit, or an optional feature.",
    "must-reject": "A decoder refuses. The class of the error is what the reference decoder names.",
}


def pages(title: str, items: Sequence[Item]) -> str:
    """Markdown: one section a group, one heading a recipe, with its streams."""
    lines = [f"# {title}", ""]
    for group in GROUPS:
        of_group = [item for item in items if item.recipe.group == group]
        if not of_group:
            continue
        lines += [f"## {group}", "", PROMISES[group], ""]
        for recipe in dict.fromkeys(item.recipe.name for item in of_group):
            streams = [item for item in of_group if item.recipe.name == recipe]
            names = ", ".join(f"`{item.name}`" for item in streams)
            lines += [f"### {recipe}", "", streams[0].recipe.page, "", f"Streams: {names}.", ""]
    return "\n".join(lines)
