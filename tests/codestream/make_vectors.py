"""Make tests/data/codestream: ``python -m tests.codestream.make_vectors``.

The vectors are frozen: a change of the syntax description that moves a bit or renames a field has to
explain itself in a change of these files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from refdec.codestream import Dialect, parse
from refdec.codestream.container import join
from refdec.codestream.stream import Codestream
from refdec.codestream.syntax import fields_of
from refdec.limits import Limits
from tests.strategies_codestream import (
    PIH,
    RDI,
    TON,
    Generator,
    generate_container,
    generate_headers,
    seeded,
)

FOLDER = Path(__file__).resolve().parents[1] / "data" / "codestream"
SEEDS = 400
LARGEST = 700
WANTED = 12
LIMITS = Limits(max_pixels=1 << 33)


def values_of(stream: Codestream) -> list[list[Any]]:
    """Segment, name, bit offset, width and value of every element."""
    return [
        [r.segment, r.name, r.bit_offset, r.width, list(r.value) if isinstance(r.value, tuple) else r.value]
        for r in stream.fields
    ]


def good_streams() -> list[dict[str, Any]]:
    """Streams that together hold as many different elements as a few small ones can."""
    candidates = []
    for seed in range(SEEDS):
        choose = seeded(seed)
        content = generate_headers(Generator(choose), list(Dialect)[seed % 2])
        data = join(generate_container(choose, content).substreams)
        if len(data) <= LARGEST:
            candidates.append(parse_candidate(seed, content.picture.dialect, data))
    chosen = []
    seen: set[str] = set()
    while len(chosen) < WANTED:
        best = max(candidates, key=lambda c: len(c[1] - seen))
        candidates.remove(best)
        seen |= best[1]
        chosen.append(best[0])
    return chosen


def parse_candidate(seed: int, dialect: Dialect, data: bytes) -> tuple[dict[str, Any], set[str]]:
    """A stream's record, and the elements it holds."""
    stream = parse(data, dialect, LIMITS)
    record = {"seed": seed, "dialect": dialect.value, "hex": data.hex(), "fields": values_of(stream)}
    return record, {field.id for field in stream.fields}


def bad_streams() -> list[dict[str, Any]]:
    """For every rule the smallest of a few streams that break it and nothing else before it."""
    records = []
    rules = {rule.id: rule for s in (PIH, TON, RDI) for f in fields_of(s.elements) for rule in f.rules}
    for rule_id, rule in sorted(rules.items()):
        if rule.structural or rule.tolerated:
            continue
        found = []
        for seed in range(SEEDS):
            choose = seeded(seed)
            generator = Generator(choose, broken_rule=rule_id)
            dialect = list(Dialect)[seed % 2]
            content = generate_headers(generator, dialect)
            if generator.broken is not None:
                data = join(generate_container(choose, content, strict=False).substreams)
                found.append((len(data), dialect.value, data.hex()))
        _, dialect_name, text = min(found)
        records.append({"rule": rule_id, "error": rule.error.__name__, "dialect": dialect_name, "hex": text})
    return records


def main() -> None:
    """Write both files, one record to a line."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, records in (("streams.json", good_streams()), ("malformed.json", bad_streams())):
        lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
        (FOLDER / name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
