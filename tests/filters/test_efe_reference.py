"""EFE on the reference decoder's own float planes: the pictures are the reference decoder's."""

from __future__ import annotations

import numpy as np
import pytest

from refdec.codestream import Dialect, parse
from refdec.filters import FilterPlanes
from refdec.picture import finish_picture
from tests.filters import efe_cases as cases
from tests.shared_vectors import REFERENCE, requires_shared
from tests.stage import reference_streams as reference

pytestmark = requires_shared


@pytest.mark.parametrize("name", ["o30_bop_m3_alltools_efe", "o31_sop_m2_efenl"])
@pytest.mark.parametrize("engine", ["golden", "jit"])
def test_pictures_of_the_reference(name: str, engine: str) -> None:
    stream = parse(reference.stream(name), Dialect.DIS)
    with np.load(REFERENCE / "codec" / f"{name}.npz") as archive:
        floats = [archive["synth_Y"][0, 0], *archive["synth_UV"][0]]
        expected = archive["final_rgb_u8"]
    y, u, v = (np.rint(plane.astype(np.float64) * 65536).astype(np.int32) for plane in floats)
    context = cases.context_of(stream.picture, stream.tools, engine)
    state = FilterPlanes((y, u, v))
    if stream.tools.EFE_linear_filter_enabled_flag:
        state = cases.efe_linear.apply(state, context)
    if stream.tools.EFE_nonlinear_filter_enabled_flag:
        state = cases.efe_nonlinear.apply(state, context)
    assert any(a is not b for a, b in zip(state.planes[1:], (u, v), strict=True))
    found = np.stack(finish_picture(stream.picture, state.planes, engine=engine).planes, -1)
    difference = np.abs(found.astype(np.int64) - expected)
    # colour coefficients of 16 bits, and float32 noise, next to a border between two samples
    assert difference.max() <= 1 and np.count_nonzero(difference) <= difference.size // 5000
    before = np.stack(finish_picture(stream.picture, (y, u, v), engine=engine).planes, -1)
    assert np.count_nonzero(before != expected) > difference.size // 4
