"""What the benchmark of filters times: each filter alone, of the picture's own shape, and decodable."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from conformance.verify_command import bundled_folder
from refdec.codestream import parse
from refdec.decoder import decode, post_filters
from refdec.models_io import bundled_models
from tools.bench import filters, large

NAMES = {"lef": "LEF", "eicci": "eICCI", "efe_linear": "EFE linear", "efe_nonlinear": "EFE non-linear"}


def test_each_filter_is_on_alone() -> None:
    assert set(NAMES) == set(large.FILTERS) - {"none"} <= set(filters.FILTERS)
    data = (bundled_folder() / "streams" / "tiles.jai").read_bytes()
    models = filters.with_networks(bundled_models())
    plain = decode(data, models)
    for name, stream in large.variants(data).items():
        assert post_filters(parse(stream).tools) == (() if name == "none" else (NAMES[name],))
        shown = decode(stream, models)
        same = all((a == b).all() for a, b in zip(shown.planes, plain.planes, strict=True))
        assert same == (name == "none")


def test_eicci_is_tiled_as_the_reference_encoder_does() -> None:
    picture = parse((bundled_folder() / "streams" / "tiles.jai").read_bytes()).picture
    large_one = replace(picture, img_width_minus64=8192 - 64, img_height_minus64=6144 - 64)
    icci = filters.tool_header("eicci", large_one).icci
    assert (icci.icci_tile_size, icci.icci_tile_overlap, len(icci.tiles)) == (128, 3, 20)
    assert filters.tool_header("eicci", picture).icci.icci_tile_enable == 0
