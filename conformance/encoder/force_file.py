"""Forced decisions from the command line: ``ELEMENT=VALUE``, and JSON files for everything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.encoder.forced import NOTHING, Forced, SymbolRule
from conformance.encoder.forced_elements import ForceError, Value, parse_value
from refdec.models_io import COMPONENT_NAMES

SUFFIX = ".json"
MAX_BYTES = 16 << 20


def read_forced(words: Sequence[str]) -> Forced:
    """What the words of ``--force`` say; later ones win.

    :param words: ``ELEMENT=VALUE``, or the name of a file that ends in ``.json``.
    :raises ForceError: a word or file that says nothing, or names what there is not.
    """
    forced = NOTHING
    for word in words:
        if word.endswith(SUFFIX):
            forced = _merged(forced, load_forced(Path(word)))
            continue
        name, equals, value = word.partition("=")
        if not equals:
            raise ForceError(f"--force {word}: expected ELEMENT=VALUE or a file that ends in {SUFFIX}")
        forced = replace(forced, elements={**forced.elements, name.strip(): parse_value(value.strip())})
    return forced


def load_forced(path: Path) -> Forced:
    """A file of forced decisions: a JSON object with the names of :class:`Forced` as keys.

    Bytes are given in hex, values of elements as integers, lists or as on the command line.

    :raises ForceError: it cannot be read or says something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ForceError(f"{path} has more than {MAX_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ForceError(f"{path}: cannot read it as JSON ({' '.join(str(error).split())})") from error
    try:
        return from_json(content)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ForceError(f"{path}: {error}") from error


def from_json(content: Any) -> Forced:
    """The same from an object in memory.

    :raises ForceError: a key or value that means nothing.
    """
    if not isinstance(content, dict):
        raise ForceError(f"expected an object, found {type(content).__name__}")
    known = set(Forced.__dataclass_fields__)
    unknown = sorted(content.keys() - known)
    if unknown:
        raise ForceError(f"no decision '{unknown[0]}'; there are {', '.join(sorted(known))}")
    return Forced(
        elements=_values(content.get("elements", {})),
        header_only=_values(content.get("header_only", {})),
        symbols=tuple(_rule(item) for item in content.get("symbols", ())),
        hyper_latent=tuple(_rule(item) for item in content.get("hyper_latent", ())),
        order=_names(content.get("order", ())),
        leave_out=_names(content.get("leave_out", ())),
        surplus={name: bytes.fromhex(text) for name, text in content.get("surplus", {}).items()},
        padding=int(content.get("padding", 0)),
        trailing=bytes.fromhex(content.get("trailing", "")),
    )


def _values(found: dict[str, Any]) -> dict[str, Value]:
    return {name: parse_value(value) if isinstance(value, str) else value for name, value in found.items()}


def _names(found: str | Sequence[str]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else tuple(str(name) for name in found)


def _rule(found: dict[str, Any]) -> SymbolRule:
    unknown = sorted(found.keys() - {"component", "values", "every", "first", "at"})
    if unknown or found.get("component") not in COMPONENT_NAMES or not isinstance(found.get("values"), list):
        raise ForceError(
            f"{json.dumps(found)}: expected component (Y or UV), values (a list), and every, first or at"
        )
    at = found.get("at")
    if at is not None and (len(at) != 3 or not all(isinstance(n, int) and n >= 0 for n in at)):
        raise ForceError(f"at {at}: expected [channel, row, column]")
    for value in found["values"]:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ForceError(f"symbol {value!r}: expected an integer or a name")
    return SymbolRule(
        COMPONENT_NAMES.index(found["component"]),
        tuple(found["values"]),
        int(found.get("every", 1)),
        int(found.get("first", 0)),
        None if at is None else tuple(at),
    )


def _merged(first: Forced, second: Forced) -> Forced:
    """Both; the second one's elements win, and its lists where it has any."""
    return Forced(
        elements={**first.elements, **second.elements},
        header_only={**first.header_only, **second.header_only},
        symbols=first.symbols + second.symbols,
        hyper_latent=first.hyper_latent + second.hyper_latent,
        order=second.order or first.order,
        leave_out=first.leave_out + second.leave_out,
        surplus={**first.surplus, **second.surplus},
        padding=second.padding or first.padding,
        trailing=second.trailing or first.trailing,
    )
