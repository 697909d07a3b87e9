"""Where the streams come from that mutants are run against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.mutants.cases import Case, picture_cases, vector_cases
from conformance.suite.records import Record, is_picture_suite, open_pictures
from conformance.verify.run import model_folder, model_set
from conformance.verify.suite import bundled_suite, open_suite
from conformance.verify_command import bundled_folder
from refdec.models_io import ModelSet


@dataclass(frozen=True)
class Sources:
    """Where the streams come from.

    :param suite: folder of a suite; ``None`` for the two bundled ones.
    :param models: folder of the model set; ``None`` for the suite's own, else the bundled one.
    :param good_only: leave streams out that must be rejected.
    """

    suite: Path | None
    models: Path | None
    max_pixels: int
    good_only: bool = False


def cases_of(sources: Sources) -> tuple[list[Case], int]:
    """The streams, and how many were left out because of their size.

    :raises SuiteError: a suite that cannot be read.
    """
    folder = bundled_folder() if sources.suite is None else sources.suite
    cases: list[Case] = []
    left_out = 0
    if is_picture_suite(folder):
        suite = open_pictures(folder)

        def models(record: Record) -> ModelSet:
            return model_set(model_folder(suite, record, sources.models))

        cases += picture_cases(suite, models, sources.max_pixels)
        left_out = len(suite.records) - len(cases)
    if sources.suite is None:
        cases += vector_cases(bundled_suite())
    elif not is_picture_suite(folder):
        cases += vector_cases(open_suite(folder))
    if sources.good_only:
        cases = [case for case in cases if case.rejection is None]
    return cases, left_out
