"""The page of a suite: what it promises, how to run it, what it tests, and what it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from conformance.generate.pages import PROMISES
from conformance.generate.registry import RECIPES, all_items
from conformance.suite.contents import Contents, Listed
from conformance.suite.measured import Covered, Mutated
from conformance.suite.records import GROUPS
from refdec import __version__
from refdec.atomic_file import atomic_file

MEANINGS = {
    "{dialect}": "the header's dialect: t840, or dis for the draft's",
    "{rounding}": "how the prediction of the quality map is rounded: floor or truncate",
    "{channels}": "how many residual channels to keep (progressive decoding)",
    "{models}": "folder of the suite's models",
    "{point}": "operating point of the synthesis: sop, bop or hop",
}
"""Placeholders of a decoder's command."""


@dataclass(frozen=True)
class Chapter:
    """Streams that one recipe made, or one stream that no recipe with a page made.

    :param paragraphs: of its page; runs of ``(is code, text)``.
    """

    title: str
    paragraphs: tuple[tuple[tuple[bool, str], ...], ...]
    streams: tuple[Listed, ...]


def write_page(path: Path, suite: Contents, coverage: Covered | str, mutants: Mutated | str) -> None:
    """Write the page: one file without links to others.

    :param coverage: what was measured, or why nothing is known.
    :param mutants: likewise.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["paragraphs"] = paragraphs
    source = files("conformance").joinpath("suite/page.html").read_text(encoding="utf-8")
    there = [group for group in GROUPS if suite.of_group(group)]
    text = environment.from_string(source).render(
        suite=suite,
        version=__version__,
        promises={group: PROMISES[group] for group in there},
        counts={group: len(suite.of_group(group)) for group in there},
        bytes=sum(stream.bytes for stream in suite.streams),
        groups={group: chapters(suite.of_group(group)) for group in there},
        command=command(suite),
        placeholders=suite.placeholders(),
        meanings=MEANINGS,
        features=feature_counts(suite.streams),
        coverage=None if isinstance(coverage, str) else coverage,
        no_coverage=coverage,
        mutants=None if isinstance(mutants, str) else mutants,
        no_mutants=mutants,
    )
    with atomic_file(path) as file:
        file.write(text.encode())


def command(suite: Contents) -> str:
    """The words behind ``mydec {input} {output}`` with which no stream is left out."""
    options = [f"--{mark.strip('{}')} {mark}" for mark in suite.placeholders()]
    if suite.own_models:
        options += ["--models {models}", "--point {point}"]
    return " ".join(["mydec {input} {output}", *options])


def chapters(streams: Sequence[Listed]) -> list[Chapter]:
    """The streams by what made them. Streams without a page have what the index says about them."""
    all_items()  # registers the recipes
    found: dict[str, list[Listed]] = {}
    for stream in streams:
        known = stream.recipe in RECIPES
        found.setdefault(stream.recipe if known else f" {stream.name}", []).append(stream)
    pages: list[Chapter] = []
    for name, members in found.items():
        page = RECIPES[name].page if name in RECIPES else members[0].purpose
        pages.append(Chapter(name.strip(), paragraphs(page), tuple(members)))
    return pages


def paragraphs(page: str) -> tuple[tuple[tuple[bool, str], ...], ...]:
    """A page's paragraphs, each as runs of ``(is code, text)``."""
    blocks = [" ".join(block.split()) for block in page.split("\n\n")]
    return tuple(
        tuple((bool(n % 2), run) for n, run in enumerate(re.split(r"`+([^`]*)`+", block)) if run)
        for block in blocks
        if block
    )


def feature_counts(streams: Sequence[Listed]) -> Mapping[str, int]:
    """How many streams have which feature, the most frequent first."""
    found: dict[str, int] = {}
    for stream in streams:
        for feature in stream.features:
            found[feature] = found.get(feature, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
