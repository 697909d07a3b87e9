"""Integer tables of the entropy stage, read from JSON beside this file.

Every table carries the SHA-256 of its values (little-endian int32, C order), which is compared on
loading (AR-GEN-01). ``distributions.json`` holds literals of the standard; all other files are written by
``tools/make_tables.py`` from formulas in exact arithmetic.

Groups and their tables (docs/arithmetic.md says what each is for):

* ``distributions``: ``bounds`` [32], ``pdf`` [sum of 2 * bound - 1], the rows one after another.
* ``parameters``: ``quality_levels`` [8]; ``quality_log``, ``quality_linear`` [17];
  ``scaling_bounds`` [model 4][3]; ``scaling_forward``, ``scaling_log``, ``scaling_inverse``
  [RVS 2][GRFS off, flag 0, flag 1][model 4][segment 4]; ``lsbs_bounds`` [2]; ``lsbs_mean``,
  ``lsbs_residual`` [model 4][segment 3].
* ``scaler``: ``scaler`` [8191], index ``L + 4096``.
* ``log2lin``: ``log2lin`` [4352], from which the segment bounds follow.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from refdec.errors import ModelError

GROUPS = ("distributions", "parameters", "scaler", "log2lin")


def digest(values: NDArray[np.int32]) -> str:
    """SHA-256 of a table: little-endian int32 values in C order."""
    return hashlib.sha256(np.ascontiguousarray(values, "<i4").tobytes()).hexdigest()


@cache
def load(group: str) -> dict[str, NDArray[np.int32]]:
    """The tables of a group by name, int32, read-only.

    :raises ModelError: the file cannot be read, or values do not have the digest stated beside them.
    """
    if group not in GROUPS:
        raise ValueError(f"no group of tables {group!r}; there are {', '.join(GROUPS)}")
    try:
        entries = json.loads(files(__name__).joinpath(f"{group}.json").read_text(encoding="ascii"))
        arrays = {
            name: (np.array(entry["values"], np.int32).reshape(entry["shape"]), entry["sha256"])
            for name, entry in entries.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(f"tables {group} cannot be read ({error}): damaged installation") from error
    result: dict[str, NDArray[np.int32]] = {}
    for name, (values, stated) in arrays.items():
        if digest(values) != stated:
            raise ModelError(
                f"table {group}.{name} does not have the digest stated with it: damaged installation"
            )
        values.setflags(write=False)
        result[name] = values
    return result


def table(group: str, name: str) -> NDArray[np.int32]:
    """One table of a group, int32, read-only."""
    return load(group)[name]
