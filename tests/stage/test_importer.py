"""``refconf import``: official files in, model files out, and what is refused."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conformance.importer.checkpoint import read_checkpoint
from conformance.importer.folder import import_folder
from conformance.verify import synthetic
from refdec.codestream import Dialect, parse
from refdec.errors import ModelError
from refdec.models_io import HYPER_SCALE_DECODER, ModelSet, open_models
from tests.shared_vectors import REFERENCE, requires_shared
from tests.stage import official
from tests.stage import reference_streams as reference


@pytest.mark.parametrize("component", [0, 1])
def test_a_checkpoint_becomes_the_model_it_came_from(tmp_path: Path, component: int) -> None:
    official.write(tmp_path / "in", seed=5, component=component, beta="0.075")
    report = import_folder(tmp_path / "in", tmp_path / "out")
    assert len(report.written) == 1 and len(report.absent) == 7
    found = open_models(tmp_path / "out").load(2, "entropy", component)
    expected = synthetic.entropy_model(5, component)
    np.testing.assert_array_equal(found.constants["gain_log"], expected.constants["gain_log"])
    np.testing.assert_array_equal(found.constants["z_cdf"], expected.constants["z_cdf"])
    assert json.dumps(found.graphs[HYPER_SCALE_DECODER].to_json()[0]) == json.dumps(
        expected.graphs[HYPER_SCALE_DECODER].to_json()[0]
    )
    for node in expected.graphs[HYPER_SCALE_DECODER].nodes:
        for role, tensor in node.tensors.items():
            np.testing.assert_array_equal(
                found.graphs[HYPER_SCALE_DECODER].node(node.name).tensors[role], tensor
            )
    assert found.provenance["gain_column"] == official.GAIN_COLUMN


def test_import_is_deterministic(tmp_path: Path) -> None:
    official.write(tmp_path / "in")
    for name in ("a", "b"):
        import_folder(tmp_path / "in", tmp_path / name)
    file = "model0/entropy_Y.safetensors"
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_renamed_gain_vector_is_accepted(tmp_path: Path) -> None:
    gains = official.tensors(0, 0)["vr_vec.c"]
    path = official.write(tmp_path / "in")
    state = torch.load(path)
    del state["vr_vec.c"]
    torch.save({**state, "quantizer.gain_unit.c": gains}, path)
    import_folder(tmp_path / "in", tmp_path / "out")
    found = open_models(tmp_path / "out").entropy(0, 0).gain_log
    np.testing.assert_array_equal(found, np.rint(gains[:, official.GAIN_COLUMN].numpy() * 128))


def test_gains_round_to_even_and_are_clamped_below(tmp_path: Path) -> None:
    gains = torch.zeros((160, 18))
    gains[:, 2] = 0.25
    gains[:4, 2] = torch.tensor([0.5, 1.5, -0.5, -5000.0]) / 128
    official.write(tmp_path / "in", vr_vec__c=gains)
    import_folder(tmp_path / "in", tmp_path / "out")
    assert open_models(tmp_path / "out").entropy(0, 0).gain_log[:4].tolist() == [0, 2, 0, -2048]


def _two_columns() -> torch.Tensor:
    gains = torch.zeros((160, 18))
    gains[:, 3] = gains[:, 7] = 1.0
    return gains


def _one_column(value: float) -> torch.Tensor:
    gains = torch.zeros((160, 18))
    gains[:, 3] = value
    return gains


SHIFTS = "hyper_scale_decoder__conv1__per_channel_shifts"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vr_vec__c": _two_columns()}, "2 gain columns.*3, 7"),
        ({"vr_vec__c": torch.zeros((160, 18))}, "0 gain columns"),
        ({"vr_vec__c": _one_column(float("nan"))}, "finite"),
        ({"vr_vec__c": _one_column(17.0)}, "above 2047"),
        ({"vr_vec__c": torch.ones((160, 17))}, "expected float32"),
        ({"hyper_scale_decoder__depthwise__is_quantized": torch.tensor([False])}, "no integer checkpoint"),
        ({"hyper_entropy__is_quantized": torch.tensor([False])}, "no integer checkpoint"),
        ({"hyper_scale_decoder__pointwise__is_quantized": torch.tensor([1])}, "no integer checkpoint"),
        ({"hyper_scale_decoder__conv1__weight": torch.zeros((160, 160, 1, 1))}, "expected int8"),
        ({"hyper_scale_decoder__conv1__bias": torch.zeros(96, dtype=torch.int32)}, r"expected int32\[160\]"),
        ({SHIFTS: torch.full((1, 160, 1, 1), 32, dtype=torch.int8)}, "0..31"),
        ({SHIFTS: torch.full((1, 160, 1, 1), -1, dtype=torch.int8)}, "0..31"),
        ({"hyper_entropy__freqs_int": torch.zeros((160, 63), dtype=torch.int32)}, "frequenc"),
        ({"hyper_entropy__freqs_int": torch.full((160, 63), -1, dtype=torch.int32)}, "frequenc"),
    ],
)
def test_bad_tensors_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    official.write(tmp_path / "in", **changes)
    with pytest.raises(ModelError, match=message):
        import_folder(tmp_path / "in", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.safetensors"))


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    official.write(tmp_path / "in", **{SHIFTS: None})
    with pytest.raises(
        ModelError, match=r"Y_0\.002\.pth has no tensor 'hyper_scale_decoder\.conv1\.per_chan"
    ):
        import_folder(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("layer", ["conv1", "depthwise", "pointwise"])
@pytest.mark.parametrize("bias", [(1 << 31) - 1, -(1 << 31)])
def test_a_bias_that_could_overflow_is_refused(tmp_path: Path, layer: str, bias: int) -> None:
    key = f"hyper_scale_decoder__{layer}__bias"
    tensor = official.tensors(0, 1)[key.replace("__", ".")].clone()
    tensor[7] = bias
    official.write(tmp_path / "in", component=1, **{key: tensor})
    with pytest.raises(ModelError, match=f"{layer}.*7"):
        import_folder(tmp_path / "in", tmp_path / "out")


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = official.write(tmp_path / "in")
    for write in (
        lambda: torch.save({"vr_vec.c": Payload()}, path),
        lambda: path.write_bytes(pickle.dumps({"vr_vec.c": Payload()}, 2)),
    ):
        write()
        with pytest.raises(ModelError, match="cannot be read"):
            import_folder(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x80\x02.", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_files_that_are_no_checkpoints(tmp_path: Path, data: bytes) -> None:
    official.write(tmp_path / "in").write_bytes(data)
    with pytest.raises(ModelError, match=r"Y_0\.002\.pth"):
        import_folder(tmp_path / "in", tmp_path / "out")


def test_a_root_that_is_no_dictionary(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], official.write(tmp_path / "in"))
    with pytest.raises(ModelError, match="dictionary"):
        import_folder(tmp_path / "in", tmp_path / "out")


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="VM_common_int"):
        import_folder(tmp_path, tmp_path / "out")
    with pytest.raises(ModelError, match="no folder"):
        import_folder(tmp_path / "absent", tmp_path / "out")


def test_without_torch_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official.write(tmp_path / "in")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="pip install"):
        import_folder(tmp_path / "in", tmp_path / "out")


@requires_shared
def test_a_real_checkpoint_file_is_read_with_its_layout() -> None:
    name = "VM_sop/decoder_UV_0.012.pth"
    checkpoint = read_checkpoint(REFERENCE / "weights/pth_sample" / name, name)
    layout = json.loads((REFERENCE / "weights/checkpoint_layout.json").read_text())["VM_sop/decoder_UV_*.pth"]
    assert {k: [t.dtype.name, list(t.shape)] for k, t in checkpoint.tensors.items()} == layout


@requires_shared
def test_gains_are_those_of_the_reference(reference_models: ModelSet) -> None:
    for name in reference.stream_names():
        dump = reference.dump(name)
        model_id = parse(reference.stream(name), Dialect.DIS).picture.model_id
        for c, component in enumerate(reference.COMPONENTS):
            model = reference_models.entropy(model_id, c)
            np.testing.assert_array_equal(model.gain_log, dump[f"{component}.gain_log"])
