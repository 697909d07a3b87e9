"""Streams and models of the whole-decode tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.verify.suite import Suite, bundled_suite
from refdec.codestream import Codestream, Dialect, parse
from refdec.codestream.assemble import rewrite
from refdec.integer import save_model
from refdec.models_io import ModelSet, file_name
from tests.decode.small_models import model_set

Changed = Callable[..., bytes]


@pytest.fixture(scope="session")
def suite() -> Suite:
    return bundled_suite()


@pytest.fixture(scope="session")
def models(suite: Suite) -> ModelSet:
    return model_set(suite.manifest["models"]["seed"])


@pytest.fixture(scope="session")
def models_folder(models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of rate point 0 as files."""
    root = tmp_path_factory.mktemp("small")
    (root / "model0").mkdir()
    for (model_id, kind, component), model in models.loaded.items():
        if model_id == 0:
            save_model(root / file_name(model_id, kind, component), model)
    return root


@pytest.fixture(scope="session")
def stream(suite: Suite) -> Callable[[str], Codestream]:
    """A bundled stream by name, parsed."""

    def get(name: str) -> Codestream:
        entry = next(v for v in suite.manifest["streams"] if v["name"] == name)
        return parse(suite.streams[entry["file"]], Dialect(entry["dialect"]))

    return get


@pytest.fixture(scope="session")
def changed(stream: Callable[[str], Codestream]) -> Changed:
    """A bundled stream with other header fields; its payloads stay."""

    def make(name: str, tools: dict[str, Any] | None = None, tiling: Any = None, **fields: Any) -> bytes:
        parsed = stream(name)
        if tiling is not None:
            size, overlap = tiling
            fields["components"] = tuple(
                replace(
                    component,
                    synthesis_tile_enable=1,
                    synthesis_tile_size=size // 16,
                    synthesis_tile_overlap=overlap // 16,
                )
                for component in parsed.picture.components
            )
        picture = replace(parsed.picture, **fields)
        return rewrite(replace(parsed, picture=picture, tools=replace(parsed.tools, **(tools or {}))))

    return make
