"""eICCI and LEF on the reference decoder's own float planes: the pictures are the reference decoder's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refdec.codestream import Dialect, parse
from refdec.filters import FilterContext, FilterPlanes, eicci, lef
from refdec.models_io import ModelSet, open_models
from refdec.picture import finish_picture
from refdec.settings import Settings
from tests.shared_vectors import REFERENCE, requires_shared
from tests.stage import reference_streams as reference

pytestmark = requires_shared


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """The reference vectors' networks of the bank, imported."""
    from conformance.importer.folder import import_folder
    from conformance.networks import convert_filters
    from tests.decode.reference_models import write_filter_checkpoints

    folder: Path = tmp_path_factory.mktemp("reference")
    write_filter_checkpoints(folder / "in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_filters, "WINDOW", 64)
        patch.setattr(convert_filters, "NOISE_SIDE", 64)
        import_folder(folder / "in", folder / "out")
    return open_models(folder / "out")


def compare(name: str, models: ModelSet, engine: str) -> tuple[float, float, int]:
    """Share of 8-bit samples that differ, filtered and unfiltered, and the largest difference filtered."""
    stream = parse(reference.stream(name), Dialect.DIS)
    with np.load(REFERENCE / "codec" / f"{name}.npz") as archive:
        floats = [archive["synth_Y"][0, 0], *archive["synth_UV"][0]]
        expected = archive["final_rgb_u8"].astype(np.int64)
        log_sigma = archive[
            "Y.log_sigma_final" if "Y.log_sigma_final" in archive.files else "Y.log_sigma_skip"
        ]
    y, u, v = (np.rint(plane.astype(np.float64) * 65536).astype(np.int32) for plane in floats)
    tools = stream.tools
    steering = log_sigma[0, tools.LEF_chIdx].astype(np.int32)
    context = FilterContext(stream.picture, tools, steering, models, Settings(engine))
    state = FilterPlanes((y, u, v))
    if tools.icci_enable_flag:
        state = eicci.apply(state, context)
    if tools.LEF_enabled_flag:
        state = lef.apply(state, context)
    found, before = (
        np.abs(np.stack(finish_picture(stream.picture, planes, engine=engine).planes, -1) - expected)
        for planes in (state.planes, (y, u, v))
    )
    return np.count_nonzero(found) / found.size, np.count_nonzero(before) / found.size, int(found.max())


@pytest.mark.parametrize("engine", ["golden", "jit"])
def test_lef(engine: str) -> None:
    differing, before, largest = compare("o32_sop_m2_lef", ModelSet(None), engine)
    # float32 noise, and colour coefficients of 16 bits, next to a border between two samples
    assert differing < 0.0005 and largest <= 1 and before > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o41_bop_m2_eicci_short", "o42_sop_m1_eicci_long"])
def test_eicci(name: str, networks: ModelSet) -> None:
    differing, before, largest = compare(name, networks, "jit")
    assert differing < 0.02 and largest <= 1 and before > 0.7
