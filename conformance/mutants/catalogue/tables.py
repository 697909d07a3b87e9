"""Tables with one wrong entry, and tables built in a wrong way."""

from __future__ import annotations

from dataclasses import replace

from conformance.mutants.mutant import Cell, Module, Mutant

_ENTROPY = ("entropy", "latent")
_BUILT = Module("refdec.entropy.tables", "tables", ("entropy", "entropy"))


def _entry(name: str, what: str, table: str, index: tuple[int, ...], change: int = 1) -> Mutant:
    place = ", ".join(map(str, index))
    text = f"{what}: entry {place} of {table} is {abs(change)} too {'high' if change > 0 else 'low'}."
    return Mutant(name, "tables", text, ("table",), (), (Cell(table, index, change),), _ENTROPY)


_PARAMETERS = (
    *(
        _entry(
            f"table-quality-level-{i}",
            "Level of the quality map's differences",
            "parameters.quality_levels",
            (i,),
        )
        for i in range(1, 8)
    ),
    replace(
        _entry(
            "table-quality-level-0",
            "Level of the quality map's differences",
            "parameters.quality_levels",
            (0,),
        ),
        equivalent="Entry 0 is level 0, and the distributions of levels 0, 1 and 2 are one and the same.",
    ),
    *(
        _entry(
            f"table-quality-log-{q:+d}",
            "Scale offset of a quality index",
            "parameters.quality_log",
            (q + 8,),
            s,
        )
        for q, s in ((-8, 1), (-5, -1), (-1, 1), (0, 1), (1, -1), (4, 1), (8, 1))
    ),
    *(
        _entry(
            f"table-quality-step-{q:+d}", "Step of a quality index", "parameters.quality_linear", (q + 8,), s
        )
        for q, s in ((-8, 1), (-6, 1), (-3, -1), (0, 1), (2, 1), (5, -1), (8, -1))
    ),
    *(
        _entry(f"table-scaling-bound-{m}-{k}", "Bound of a segment", "parameters.scaling_bounds", (m, k), s)
        for m, k, s in ((0, 0, 1), (0, 2, -1), (1, 1, 1), (2, 0, -1), (2, 2, 1), (3, 1, -1))
    ),
    *(
        _entry(
            f"table-scaling-log-{r}-{g}-{m}-{k}",
            "Scale offset of variance scaling",
            "parameters.scaling_log",
            (r, g, m, k),
        )
        for r, g, m, k in ((1, 0, 0, 0), (1, 0, 1, 3), (1, 1, 2, 1), (1, 2, 3, 2), (0, 1, 0, 0), (0, 2, 3, 0))
    ),
    *(
        _entry(
            f"table-scaling-inverse-{r}-{g}-{m}-{k}",
            "Factor of variance scaling",
            "parameters.scaling_inverse",
            (r, g, m, k),
            -64,
        )
        for r, g, m, k in ((1, 0, 0, 0), (1, 0, 1, 3), (1, 1, 2, 1), (1, 2, 3, 2), (0, 1, 0, 0), (0, 2, 3, 0))
    ),
    *(
        _entry(f"table-lsbs-bound-{i}", "Bound of latent scaling", "parameters.lsbs_bounds", (i,), s)
        for i, s in ((0, 1), (1, -1))
    ),
    *(
        _entry(f"table-lsbs-mean-{m}-{k}", "Weight of the mean", "parameters.lsbs_mean", (m, k), 1)
        for m, k in ((0, 0), (1, 1), (2, 2), (3, 2))
    ),
    *(
        _entry(
            f"table-lsbs-residual-{m}-{k}", "Weight of the residual", "parameters.lsbs_residual", (m, k), -1
        )
        for m, k in ((0, 0), (1, 2), (2, 0), (3, 2))
    ),
    *(
        _entry(f"table-scaler-{i}", "Multiplier of a gain", "scaler.scaler", (i + 4096,), s)
        for i, s in ((-1069, 1), (-300, 1), (0, 1), (100, -1), (702, 1))
    ),
)

_CODER = (
    *(
        _entry(
            f"table-decode-bits-{d}-{s}",
            "Bits that a state asks for (bits 24 up)",
            "coder.decode",
            (d, s),
            1 << 24,
        )
        for d, s in ((3, 0), (12, 128), (31, 200))
    ),
    *(
        _entry(
            f"table-decode-base-{d}-{s}",
            "Base of the next state (bits 16 up)",
            "coder.decode",
            (d, s),
            -(1 << 16),
        )
        for d, s in ((4, 1), (8, 100), (20, 7), (31, 255))
    ),
    *(
        _entry(f"table-decode-symbol-{d}-{s}", "Symbol of a state (bits 0 up)", "coder.decode", (d, s))
        for d, s in ((0, 0), (5, 255), (10, 60), (25, 130))
    ),
    *(
        _entry(f"table-bound-{d}", "Escape of a distribution", "coder.bounds", (d,))
        for d in (0, 3, 10, 20, 30)
    ),
    _BUILT(
        "table-halves-swapped",
        "The states of a symbol in the upper half come before those in the lower half.",
        "order, entropy 3.2",
        "                *range(_lower_half(start), _lower_half(end)),\n"
        "                *range(_upper_half(start), _upper_half(end)),\n",
        "                *range(_upper_half(start), _upper_half(end)),\n"
        "                *range(_lower_half(start), _lower_half(end)),\n",
        "if fnv1a64(array.tobytes()) != digest:",
        "if False:",
    ),
    _BUILT(
        "table-states-in-one-run",
        "The states of a symbol follow each other instead of lying in two halves.",
        "entropy 3.2",
        "                *range(_lower_half(start), _lower_half(end)),\n"
        "                *range(_upper_half(start), _upper_half(end)),\n",
        "                *range(start, end),\n",
        "if fnv1a64(array.tobytes()) != digest:",
        "if False:",
    ),
    _BUILT(
        "table-columns-positive-first",
        "The columns of a distribution hold 0, 1, -1, 2, -2 and so on.",
        "order, entropy 3.1",
        "return -((column + 1) >> 1) if column & 1 else column >> 1",
        "return (column + 1) >> 1 if column & 1 else -(column >> 1)",
        "if fnv1a64(array.tobytes()) != digest:",
        "if False:",
    ),
    _BUILT(
        "table-lower-half-rounded-down",
        "The lower half of an odd mass is the smaller one.",
        "rounding, entropy 3.2",
        "return mass - (mass >> 1)",
        "return mass >> 1",
        "return (mass >> 1) + STATES // 2",
        "return mass - (mass >> 1) + STATES // 2",
        "if fnv1a64(array.tobytes()) != digest:",
        "if False:",
    ),
    _BUILT(
        "table-escape-in-the-last-column",
        "The escape's mass comes last in a row of 256 columns and not right behind the symbols.",
        "entropy 3.1",
        "        row[escape] = 1\n",
        "        row[:escape] = row[:escape]\n        row[min(255, escape + 1)] = 1\n",
        "if fnv1a64(array.tobytes()) != digest:",
        "if False:",
        "encode[d, symbol + 128]",
        "encode[d, min(255, symbol + 128)]",
    ),
)

MUTANTS = (*_PARAMETERS, *_CODER)
