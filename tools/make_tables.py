"""Write the integer tables of refdec/tables from their formulas, in exact arithmetic.

``python tools/make_tables.py`` rewrites the files, ``--check`` compares and exits 1 on a difference.
``distributions.json`` holds literals for which there is no formula: it is checked, never rewritten.
Formulas and their statement ids are in docs/arithmetic.md, the rules for this tool in AR-GEN-01.
"""

from __future__ import annotations

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np

from refdec.tables import digest

TABLES = Path(__file__).resolve().parents[1] / "refdec" / "tables"

SIGMA_LOWEST, SIGMA_HIGHEST = Fraction(11, 100), Fraction(5482, 100)
LIKELY_HIGHEST = 100
QUALITY_LEVELS = [0, 4, 5, 6, 8, 10, 14, 18]
RVS_THRESHOLDS = [[4325, 7471, 18667], [4325, 6575, 17855], [4325, 7782, 18599], [4325, 6849, 17855]]
RVS_SCALES = [[115, 125, 146, 160], [115, 122, 125, 160], [115, 130, 156, 175], [115, 130, 156, 160]]
GRFS_FACTORS = [Fraction(1), Fraction(98, 100), Fraction(106, 100)]  # off, flag 0, flag 1
LSBS_THRESHOLDS = [7782, 8192]
LSBS_MEAN = [[23, 0, 46], [17, 0, 34], [12, 0, 23], [9, 0, 28]]
LSBS_RESIDUAL = [[28, 0, 56], [23, 0, 46], [17, 0, 34], [12, 0, 26]]
SCALER_RANGE = range(-4096, 4095)

mpmath.mp.dps = 60


def exact(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def nearest(value: mpmath.mpf) -> int:
    """Nearest integer; refuses a value so close to a tie that 60 digits do not decide it."""
    low = int(mpmath.floor(value))
    rest = value - low
    if abs(rest - mpmath.mpf(1) / 2) < mpmath.mpf(10) ** -40:
        raise ArithmeticError(f"{value} is too close to a tie")
    return low + (rest > mpmath.mpf(1) / 2)


def nearest_even(value: Fraction) -> int:
    """Nearest integer of a rational number, ties to even."""
    return round(value)


def log_step() -> mpmath.mpf:
    """S, the natural logarithm between two neighbouring levels (AR-LOG-01)."""
    return (mpmath.log(exact(SIGMA_HIGHEST)) - mpmath.log(exact(SIGMA_LOWEST))) / 31


def to_float32(value: Fraction) -> Fraction:
    """Nearest IEEE binary32 number (normal range), ties to even, as a rational number."""
    if value == 0:
        return value
    magnitude, exponent = abs(value), 0
    while magnitude >= 1 << 24:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 1 << 23:
        magnitude, exponent = magnitude * 2, exponent - 1
    rounded = nearest_even(magnitude) * Fraction(2) ** exponent
    return rounded if value > 0 else -rounded


def scaler_table() -> list[int]:
    """RNE(1024 exp(x)) with x the float32 product L*S divided by 128 (AR-DEQ-02)."""
    step_double = Fraction(float(log_step()))
    step = to_float32(step_double)
    return [
        nearest(1024 * mpmath.exp(exact(to_float32(index * step) / 128))) if index else 1024
        for index in SCALER_RANGE
    ]


def quality_log() -> list[int]:
    """Offsets of the scale log: 2 ** (Q / 4) in units of 1/128 level (AR-QMAP-05)."""
    return [nearest(32 * index * mpmath.log(2) / log_step()) if index else 0 for index in range(-8, 9)]


def quality_linear() -> list[int]:
    """Residual multipliers in sixteenths: the ceiling of 16 * 2 ** (Q / 4) (AR-QMAP-05)."""
    # ceil(a) of a = (2 ** (16 + Q)) ** (1/4) in integers: the smallest n with n ** 4 >= 2 ** (16 + Q).
    return [next(n for n in range(1, 65) if n**4 >= 1 << (16 + index)) for index in range(-8, 9)]


def log2lin() -> list[int]:
    low = mpmath.log(exact(SIGMA_LOWEST))
    step = (mpmath.log(LIKELY_HIGHEST) - low) / 4352
    return [nearest(2**17 * mpmath.exp(i * step + low)) for i in range(4352)]


def likely_bound(threshold: int, lin: list[int]) -> int:
    """First index whose linear value reaches a threshold with 13 fraction bits (AR-RVS-03)."""
    return next(i for i, value in enumerate(lin) if value >= 16 * threshold)


def scaling_forward() -> list[list[list[list[int]]]]:
    """Forward multipliers [RVS][GRFS state][model][segment] in units of 1/128 (AR-RVS-04)."""
    plain = [[[128] * 4] * 4, RVS_SCALES]
    return [[[[nearest_even(f * s) for s in row] for row in rows] for f in GRFS_FACTORS] for rows in plain]


def each(function, nested):  # type: ignore[no-untyped-def]
    return [each(function, v) for v in nested] if isinstance(nested, list) else function(nested)


def groups() -> dict[str, dict[str, np.ndarray]]:
    lin = log2lin()
    step = log_step()
    forward = scaling_forward()
    log = each(lambda s: 0 if s == 128 else nearest(128 * mpmath.log(mpmath.mpf(s) / 128) / step), forward)
    inverse = each(lambda s: nearest_even(Fraction(1 << 23, s)), forward)
    return {
        "parameters": {
            "quality_levels": QUALITY_LEVELS,
            "quality_log": quality_log(),
            "quality_linear": quality_linear(),
            "scaling_bounds": [[likely_bound(t, lin) for t in row] for row in RVS_THRESHOLDS],
            "scaling_forward": forward,
            "scaling_log": log,
            "scaling_inverse": inverse,
            "lsbs_bounds": [likely_bound(t, lin) for t in LSBS_THRESHOLDS],
            "lsbs_mean": LSBS_MEAN,
            "lsbs_residual": LSBS_RESIDUAL,
        },
        "scaler": {"scaler": scaler_table()},
        "log2lin": {"log2lin": lin},
    }


def render(tables: dict[str, np.ndarray]) -> str:
    """JSON with one row of values a line, at most 100 characters wide."""
    entries = []
    for name, values in tables.items():
        array = np.array(values, np.int32)
        lines, line = [], ""
        for text in map(str, array.ravel().tolist()):
            if len(line) + len(text) > 100:
                lines.append(line.rstrip())
                line = ""
            line += text + ", "
        lines.append(line.rstrip(", "))
        body = "\n      ".join(lines)
        head = f'    "shape": {json.dumps(array.shape)},\n    "sha256": "{digest(array)}",\n'
        entries.append(f'  "{name}": {{\n{head}    "values": [\n      {body}\n    ]\n  }}')
    return "{\n" + ",\n".join(entries) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files, write nothing")
    arguments = parser.parse_args()
    different = 0
    for group, tables in groups().items():
        path, text = TABLES / f"{group}.json", render(tables)
        if arguments.check:
            same = path.exists() and path.read_text(encoding="ascii") == text
            print(f"{group}: {'equal' if same else 'DIFFERENT'}")
            different += not same
        else:
            path.write_text(text, encoding="ascii")
            print(f"wrote {path.name}: {', '.join(tables)}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
