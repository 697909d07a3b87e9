"""What a mutant is: a named mistake, as changes of a decoder's source or of a table's entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from refdec.errors import RefdecError

STAGES = ("codestream", "entropy", "latent", "synthesis", "picture")
"""What a decode consists of, in order. A mutant changes the tensors of a range of them."""


class MutantError(RefdecError):
    """A mutant that cannot be applied: the text or the table that it changes is not there any more."""

    exit_code = 2
    code = "mutant"


@dataclass(frozen=True)
class Edit:
    """One text of a module, which must occur exactly once, and what stands there instead.

    :param module: dotted name.
    """

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Cell:
    """One entry of a table and what is added to it.

    :param table: ``parameters.quality_log`` and so on for the groups of :mod:`refdec.tables`, or
        ``coder.decode`` and so on for the arrays of :class:`refdec.entropy.tables.CoderTables`.
    :param index: position; a tuple for a table of several axes.
    """

    table: str
    index: tuple[int, ...]
    change: int


@dataclass(frozen=True)
class Mutant:
    """A decoder with one mistake.

    :param name: unique, lower case, words joined by ``-``.
    :param area: part of the decoder, the heading under which the catalogue lists it.
    :param description: one sentence that says what the wrong decoder does.
    :param sources: where the mistake comes from: rows of the lists of known defects (``entropy 8 A1``,
        ``networks 13.9``) or a class (``rounding``, ``clip``, ``width``, ``order``, ``table`` ...).
    :param edits: changes of source text.
    :param cells: changes of tables.
    :param stages: first and last of :data:`STAGES` whose tensors it can change.
    :param equivalent: why no codestream can show it; empty for all others.
    :param engine: that makes the mistake, ``golden`` or ``jit``.
    """

    name: str
    area: str
    description: str
    sources: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    cells: tuple[Cell, ...] = ()
    stages: tuple[str, str] = ("codestream", "picture")
    equivalent: str = ""
    engine: str = "golden"


@dataclass(frozen=True)
class Module:
    """Makes the mutants of one module; what they have in common is said once.

    :param name: dotted name of the module.
    """

    name: str
    area: str
    stages: tuple[str, str]
    engine: str = "golden"

    def __call__(
        self, name: str, description: str, sources: str, *texts: str, equivalent: str = "", first: str = ""
    ) -> Mutant:
        """One mutant.

        :param sources: separated by commas.
        :param texts: old text, new text, and more such pairs.
        :param first: another first stage than the module's.
        """
        pairs = zip(texts[::2], texts[1::2], strict=True)
        edits = tuple(Edit(self.name, old, new) for old, new in pairs)
        stages = (first or self.stages[0], self.stages[1])
        return Mutant(
            name, self.area, description, sources_of(sources), edits, (), stages, equivalent, self.engine
        )


def sources_of(text: str) -> tuple[str, ...]:
    """``"rounding, entropy 8 C"`` as a tuple."""
    return tuple(part.strip() for part in text.split(","))


def also(mutant: Mutant, module: str, *texts: str) -> Mutant:
    """A mutant that changes another module as well."""
    more = tuple(Edit(module, old, new) for old, new in zip(texts[::2], texts[1::2], strict=True))
    return replace(mutant, edits=mutant.edits + more)


def catalogue_of(*parts: Iterable[Mutant]) -> tuple[Mutant, ...]:
    """All parts one after another.

    :raises MutantError: two mutants of one name, or one without any change.
    """
    mutants = tuple(mutant for part in parts for mutant in part)
    names = [mutant.name for mutant in mutants]
    for mutant in mutants:
        if names.count(mutant.name) > 1:
            raise MutantError(f"two mutants are called {mutant.name}")
        if not (mutant.edits or mutant.cells):
            raise MutantError(f"{mutant.name} changes nothing")
    return mutants
