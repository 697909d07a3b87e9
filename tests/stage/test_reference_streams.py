"""Every stream of the reference software, every tensor of the entropy stage, both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from refdec.codestream import Dialect
from refdec.decoder import decode_entropy
from refdec.entropy import ENGINES, RESIDUAL_FRACTION_BITS
from refdec.models_io import ModelSet
from tests.shared_vectors import requires_shared
from tests.stage import reference_streams as reference

# The reference's name of each point. A tensor that equals a later one is not dumped a second time.
DUMPED = {
    "z_hat": ("z_hat",),
    "log_sigma_raw": ("log_sigma_raw",),
    "log_sigma_skip": ("log_sigma_skip", "log_sigma_final"),
    "skip_mask": ("skip_mask",),
    "log_sigma": ("log_sigma_final",),
    "residual": ("residual_quant",),
}


def test_all_streams_are_there() -> None:
    assert len(reference.stream_names()) in (0, 44)


@requires_shared
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", reference.stream_names())
def test_tensors_equal_the_dumps(name: str, engine: str, reference_models: ModelSet) -> None:
    dump = reference.dump(name)
    seen: dict[tuple[str, str], npt.NDArray[Any]] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        if region is None:
            seen[point, component] = tensor.copy()

    result = decode_entropy(
        reference.stream(name), reference_models, dialect=Dialect.DIS, engine=engine, observer=observe
    )
    compared = set()
    for (point, component), tensor in seen.items():
        if point in DUMPED:
            key = next((k for n in DUMPED[point] if (k := f"{component}.{n}") in dump), None)
            if key is None:
                assert point == "log_sigma_raw"  # only some of the dumps carry it
                continue
            np.testing.assert_array_equal(
                tensor, dump[key].reshape(tensor.shape), err_msg=f"{point} {component}"
            )
            compared.add((point, component))
    for component in reference.COMPONENTS:
        assert {p for p, c in compared if c == component} >= DUMPED.keys() - {"log_sigma_raw"}
        _check_dequantised(seen["residual_dequantised", component], dump[f"{component}.residual_dequant"])
    if result.quality_map is not None:
        np.testing.assert_array_equal(result.quality_map, dump["qp_map"].reshape(result.quality_map.shape))


def _check_dequantised(found: npt.NDArray[np.int32], reference_float: npt.NDArray[np.float32]) -> None:
    """Within half a step of the fixed-point format, plus what four float32 operations may add."""
    exact = reference_float.astype(np.float64)
    half_step = 0.5 / (1 << RESIDUAL_FRACTION_BITS)
    distance = np.abs(found / (1 << RESIDUAL_FRACTION_BITS) - exact)
    assert np.all(distance <= half_step + np.abs(exact) * 4 * 2.0**-24)
    assert np.all(found[exact == 0] == 0)


@requires_shared
def test_some_streams_carry_every_tool(reference_models: ModelSet) -> None:
    """The sweep above means something only if its streams use the tools."""
    results = [
        decode_entropy(reference.stream(name), reference_models, dialect=Dialect.DIS)
        for name in reference.stream_names()
    ]
    pictures = [result.codestream.picture for result in results]
    components = [component for picture in pictures for component in picture.components]
    assert sum(result.quality_map is not None for result in results) == 4
    assert {picture.model_id for picture in pictures} == {0, 1, 2, 3}
    assert sum(picture.num_regions > 1 for picture in pictures) == 7
    assert sum(picture.independent_regions for picture in pictures) == 2
    assert sum(component.cube_flags is not None for component in components) == 9
    assert sum(component.rvs_enable_flag for component in components) == 16
    assert sum(component.grfs_channel_flags is not None for component in components) == 14
    assert sum(entry.lsbs_segments is not None for result in results for entry in result.components) == 12
    assert {component.num_threads_r for component in components} == {1, 2, 4, 8, 16}
    assert {picture.num_threads_q for picture in pictures if picture.gain_3D_enable_flag} == {1, 2, 4}
