"""Several decodes at once in one process: engines and plans are shared, results must not be."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest

from refdec.decoder import decode
from refdec.errors import ModelError
from refdec.models_io import ModelSet, bundled_models

NAMES = ("odd-65x79", "regions-dependent", "chroma-420", "scalings")


@pytest.fixture(scope="module")
def models() -> ModelSet:
    return bundled_models()


def digest(data: bytes | bytearray | memoryview, models: ModelSet, threads: int) -> str:
    planes = decode(data, models, threads=threads).planes
    return hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest()


def test_decodes_in_parallel_give_what_they_give_alone(models: ModelSet) -> None:
    folder = files("conformance").joinpath("photos", "streams")
    streams = [folder.joinpath(f"{name}.jai").read_bytes() for name in NAMES]
    alone = [digest(data, models, 1) for data in streams]
    assert len(set(alone)) == len(NAMES)
    jobs = [(k, 1 + (k + turn) % 3) for turn in range(6) for k in range(len(NAMES))]
    fresh = bundled_models()  # nothing loaded yet: the first decodes load it together
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: digest(streams[job[0]], fresh, job[1]), jobs))
    assert together == [alone[k] for k, _ in jobs]


def test_a_model_set_goes_to_another_process(models: ModelSet) -> None:
    """With all that is loaded; caches of the engines stay behind."""
    data = files("conformance").joinpath("photos", "streams", "odd-65x79.jai").read_bytes()
    right = digest(data, models, 1)
    there = pickle.loads(pickle.dumps(models))
    assert there.loaded.keys() == models.loaded.keys() and there.loaded
    assert {k: m.digest for k, m in there.loaded.items()} == {k: m.digest for k, m in models.loaded.items()}
    there.root = None  # nothing is read again
    assert digest(data, there, 1) == right
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(digest, (data, models, 1)) == right


def test_a_pickled_model_that_was_changed_is_refused(models: ModelSet) -> None:
    whole = bytearray(pickle.dumps(models.load(0, "sop", 0)))
    whole[len(whole) // 2] ^= 1
    with pytest.raises(ModelError, match="digest"):
        pickle.loads(bytes(whole))
