"""Data to start from: streams that come with the package, and small ones that the generator makes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from conformance.generate.bases import PLANS, good
from conformance.generate.build import Context
from conformance.generate.models import SyntheticModels
from conformance.generate.plan import Plan, Refused
from conformance.generate.registry import items_for
from conformance.verify.synthetic_eicci import add_eicci
from refdec.models_io import ModelSet

SEED, LEVEL = 1, 52
MAX_PIXELS = 320 * 320
"""Larger pictures are left out of the seeds."""


@cache
def models() -> ModelSet:
    """A small integer model set with every operating point and the networks of eICCI."""
    made = SyntheticModels(SEED)
    add_eicci(made, SEED)
    return made


def context(profile: int = 2) -> Context:
    """What streams are made for."""
    return Context(SEED, profile, LEVEL, models())


def base_streams(max_bytes: int) -> Iterator[bytes]:
    """The good streams from which suites make bad ones."""
    for name in PLANS:
        data = good(context(0), name).data
        if len(data) <= max_bytes:
            yield data


def suite_streams(max_bytes: int) -> Iterator[bytes]:
    """Streams of a generated suite, good and bad; those that are found by search are left out."""
    return (data for data in _suite_streams() if len(data) <= max_bytes)


@cache
def _suite_streams() -> list[bytes]:
    found = []
    for item in items_for(context()):
        own = context()
        made = item.make(own)
        if isinstance(made, Plan) and (made.solve is not None or made.size[0] * made.size[1] > MAX_PIXELS):
            continue
        found.append(made.data if isinstance(made, Refused) else own.build(made))
    return found


def bundled_streams(max_bytes: int) -> Iterator[bytes]:
    """Streams of the bundled suites."""
    for folder in ("vectors", "photos"):
        for path in sorted(Path(str(files("conformance").joinpath(folder, "streams"))).glob("*.jai")):
            if path.stat().st_size <= max_bytes:
                yield path.read_bytes()
