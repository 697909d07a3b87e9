"""``refdec decode``, and ``refdec trace`` down to the picture: files, stdout, exit codes, leftovers."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conformance.verify.suite import Suite
from conformance.verify.synthetic_eicci import eicci_model
from refdec import models_io
from refdec.cli import app
from refdec.codestream.headers import Icci, IcciTile
from refdec.command import run
from refdec.decoder import decode
from refdec.integer import save_model
from refdec.models_io import ModelSet
from refdec.trace import read_trace
from tests.decode.conftest import Changed

YUV420_10 = {
    "s_ver_minus1": 1,
    "s_hor_minus1": 1,
    "c_ver_minus1": 1,
    "c_hor_minus1": 1,
    "colour_transform_idx": 0,
    "bit_depth_idc": 1,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], str]:
    def put(data: bytes) -> str:
        path = tmp_path / "in.jai"
        path.write_bytes(data)
        return str(path)

    return put


@pytest.fixture
def plain(suite: Suite, write: Callable[[bytes], str]) -> str:
    return write(suite.streams["plain-64x64.jai"])


def refdec(*words: object) -> int:
    return run(app, [str(word) for word in words])


def message(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1, "one line"
    return text


def test_rgb_files(
    suite: Suite, models: ModelSet, models_folder: Path, plain: str, tmp_path: Path, capsys: Any
) -> None:
    expected = np.stack(decode(suite.streams["plain-64x64.jai"], models).planes, -1)
    for engine, threads, name in (("jit", 1, "a.png"), ("jit", 2, "a.ppm"), ("golden", 1, "b.PNG")):
        out = tmp_path / name
        options = ("--models", models_folder, "--engine", engine, "--threads", threads)
        assert refdec("decode", plain, out, *options) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{out}: 64x64 RGB, 8 bits, model 0, bop, ")
        with Image.open(out) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)
    assert refdec("decode", plain, tmp_path / "a.npy", "--models", models_folder, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["width"] == facts["height"] == 64 and facts["operating_point"] == "bop"
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.moveaxis(expected, -1, 0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "a.png", "a.ppm", "b.PNG", "in.jai"]


def test_yuv_file_and_stdout(
    models: ModelSet,
    models_folder: Path,
    changed: Changed,
    write: Callable[[bytes], str],
    tmp_path: Path,
    capfdbinary: Any,
) -> None:
    data = changed("plain-64x64", **YUV420_10)
    stream = write(data)
    picture = decode(data, models)
    expected = b"".join(p.astype("<u2").tobytes() for p in picture.planes)
    assert len(expected) == 2 * 64 * 64 * 3 // 2
    assert refdec("decode", stream, tmp_path / "out.yuv", "--models", models_folder) == 0
    assert (tmp_path / "out.yuv").read_bytes() == expected
    capfdbinary.readouterr()
    assert refdec("decode", stream, "-", "--models", models_folder) == 0
    assert capfdbinary.readouterr().out == expected


def test_stdin_to_stdout_in_a_process_of_its_own(suite: Suite, models: ModelSet, models_folder: Path) -> None:
    command = [sys.executable, "-m", "refdec", "decode", "-", "-", "--models", str(models_folder)]
    done = subprocess.run(command, input=suite.streams["plain-64x64.jai"], capture_output=True, check=True)
    assert done.stderr == b""
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == "PPM"
        expected = decode(suite.streams["plain-64x64.jai"], models).planes
        np.testing.assert_array_equal(np.asarray(image), np.stack(expected, -1))


def test_the_format_can_be_chosen(plain: str, models_folder: Path, capfdbinary: Any) -> None:
    assert refdec("decode", plain, "-", "--models", models_folder, "--format", "png") == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")


def test_a_device_is_written_to_and_not_replaced(plain: str, models_folder: Path) -> None:
    assert refdec("decode", plain, os.devnull, "--models", models_folder, "--format", "ppm") == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_where_somebody_waits(suite: Suite, models_folder: Path, write: Any, tmp_path: Path) -> None:
    import pty

    stream = write(suite.streams["regions-dependent.jai"])
    command = [
        sys.executable,
        "-m",
        "refdec",
        "decode",
        stream,
        str(tmp_path / "a.png"),
        "--engine",
        "golden",
    ]
    seen = b""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [*command, "--models", str(models_folder)], stdout=subprocess.PIPE, stderr=child, env=environment
    ) as process:
        os.close(child)
        try:
            while chunk := os.read(parent, 4096):
                seen += chunk
        except OSError:
            pass  # the other end is closed
        os.close(parent)
        assert process.stdout is not None
        assert b"a.png: 64x330" in process.stdout.read()
    assert process.returncode == 0 and b"decoding" in seen and b"5/5" in seen


def broken(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "words, code, text",
    [
        (["out.jpg"], 2, "no picture format 'jpg'"),
        (["out"], 2, "no picture format ''"),
        (["out.yuv"], 2, "yuv holds YCbCr"),
        (["absent/out.png"], 2, "is no folder"),
        (["out.png", "--operating-point", "hop"], 2, "lists bop, sop"),
        (["out.png", "--operating-point", "mop"], 2, "expected sop, bop or hop"),
        (["out.png", "--engine", "fast"], 2, "expected jit or golden"),
        (["out.png", "--models", "absent"], 2, "no folder"),
        (["out.png", "--dialect", "dis"], 3, ""),
        (["out.png", "--max-pixels", "4095"], 5, "[limit]"),
        (["out.png", "--max-memory", "1"], 5, "memory"),
        (["out.png", "--max-input", "100"], 5, "[limit]"),
    ],
)
def test_refusals_leave_nothing_behind(
    plain: str,
    models_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    words: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    models = [] if "--models" in words else ["--models", models_folder]
    assert refdec("decode", plain, *words, *models) == code
    assert text in message(capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["in.jai"]


def test_what_was_there_stays_when_a_decode_fails(
    suite: Suite, models_folder: Path, write: Callable[[bytes], str], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"a picture")
    stream = write(broken(suite.streams["plain-64x64.jai"]))
    assert refdec("decode", stream, out, "--models", models_folder) == 3
    assert out.read_bytes() == b"a picture" and "truncated" in message(capsys)


def test_post_filters(
    models_folder: Path, changed: Changed, write: Callable[[bytes], str], tmp_path: Path, capsys: Any
) -> None:
    stream = write(changed("plain-64x64", tools={"LEF_enabled_flag": 1}))
    options = (tmp_path / "out.png", "--models", models_folder)
    assert refdec("decode", stream, *options) == 0
    assert "warning" not in capsys.readouterr().err
    filtered = (tmp_path / "out.png").read_bytes()
    assert refdec("decode", stream, *options, "--ignore-post-filters") == 0
    assert "warning: decoding without the stream's post-filters: LEF" in message(capsys)
    assert (tmp_path / "out.png").read_bytes() != filtered


def test_trace_of_a_stream_with_a_post_filter(
    models_folder: Path, changed: Changed, write: Callable[[bytes], str], tmp_path: Path
) -> None:
    stream = write(changed("plain-64x64", tools={"LEF_enabled_flag": 1}))
    output = tmp_path / "t.jsonl"
    options = (stream, "--models", models_folder, "-o", output)
    assert refdec("trace", *options) == 0
    shown = [f"filter.{point}.{plane}" for point in ("input", "lef") for plane in "YUV"]
    assert entries(output)[-9:] == [*shown, "picture.R", "picture.G", "picture.B"]
    assert refdec("trace", *options, "--ignore-post-filters") == 0
    assert entries(output)[-6:] == ["plane.Y", "plane.U", "plane.V", "picture.R", "picture.G", "picture.B"]


def test_trace_ends_at_the_latent_where_a_network_of_a_post_filter_is_missing(
    models_folder: Path, changed: Changed, write: Callable[[bytes], str], tmp_path: Path, capsys: Any
) -> None:
    tools = {"icci_enable_flag": 1, "icci": Icci((IcciTile((1, 0, 0), 0, 3, 0),))}
    stream = write(changed("plain-64x64", tools=tools))
    output = tmp_path / "t.jsonl"
    options = (stream, "-o", output)
    assert refdec("trace", *options, "--models", models_folder) == 0
    assert {"residual_dequantised.Y", "y_hat.Y"} <= set(entries(output))
    assert not any(point.startswith(("synthesis", "plane", "picture")) for point in entries(output))
    assert refdec("trace", *options, "--models", models_folder, "--until", "picture") == 2
    assert "eicci_bop_3.safetensors" in message(capsys)
    whole = tmp_path / "models"
    shutil.copytree(models_folder, whole)
    save_model(whole / "eicci_bop_3.safetensors", eicci_model(0, "bop", 3))
    assert refdec("trace", *options, "--models", whole) == 0
    assert "filter.eicci.Y" in entries(output)
    assert "eicci_bop_3.safetensors" in read_trace(output).header["models"]


def test_without_models_the_bundled_set_is_used(
    plain: str, models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(models_io, "BUNDLED", tmp_path / "absent")
    assert refdec("decode", plain, tmp_path / "out.png") == 2
    assert "no bundled model set" in message(capsys)
    # joining a path to an absolute one gives the latter
    monkeypatch.setattr(models_io, "BUNDLED", models_folder)
    assert refdec("decode", plain, tmp_path / "out.png") == 0


def entries(path: Path) -> list[str]:
    return list(read_trace(path).entries)


def test_traces_of_both_engines_are_equal_down_to_the_picture(
    plain: str, models_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    for engine in ("jit", "golden"):
        out = (tmp_path / f"{engine}.jsonl", "--values", tmp_path / f"{engine}.npz")
        assert refdec("trace", plain, "-o", *out, "--engine", engine, "--models", models_folder) == 0
    assert refdec("compare", tmp_path / "golden.jsonl", tmp_path / "jit.jsonl") == 0
    trace = read_trace(tmp_path / "jit.jsonl")
    assert trace.header["until"] == "picture" and trace.header["operating_point"] == "bop"
    assert sorted(trace.header["models"]) == [
        f"model0/{kind}_{c}.safetensors" for kind in ("bop", "entropy", "latent") for c in ("UV", "Y")
    ]
    assert trace.entries["picture.R"]["dtype"] == "uint8"
    assert trace.entries["plane.U"]["dtype"] == "uint16"
    assert trace.entries["synthesis.mixed.UV"]["dtype"] == "int16"
    with np.load(tmp_path / "jit.npz") as values:
        assert set(values.files) == set(trace.entries)
        assert values["picture.B"].shape == (64, 64)


def test_a_changed_model_is_found_where_it_first_shows(
    plain: str, models: ModelSet, models_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    from refdec.integer import save_model
    from tests.decode.small_models import synthesis

    other = tmp_path / "other"
    (other / "model0").mkdir(parents=True)
    for file in (models_folder / "model0").iterdir():
        (other / "model0" / file.name).write_bytes(file.read_bytes())
    save_model(other / "model0/bop_UV.safetensors", synthesis(999, 1, "bop"))
    for name, folder in (("a", models_folder), ("b", other)):
        assert refdec("trace", plain, "-o", tmp_path / f"{name}.jsonl", "--models", folder) == 0
    assert refdec("compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl") == 1
    text = capsys.readouterr().out
    assert "synthesis.mixed, component UV" in text and "AR-PIC-01" in text


def test_how_far_a_trace_goes(plain: str, models_folder: Path, tmp_path: Path, capsys: Any) -> None:
    part = tmp_path / "part"
    (part / "model0").mkdir(parents=True)
    out = tmp_path / "t.jsonl"
    lasts = []
    for kind in ("entropy", "latent", "sop", "bop"):
        for c in ("Y", "UV"):
            name = f"model0/{kind}_{c}.safetensors"
            (part / name).write_bytes((models_folder / name).read_bytes())
        assert refdec("trace", plain, "-o", out, "--models", part) == 0
        lasts.append((read_trace(out).header["until"], entries(out)[-1]))
        if kind == "sop":
            assert refdec("trace", plain, "-o", out, "--models", part, "--operating-point", "sop") == 0
            assert entries(out)[-1] == "picture.B"
            assert refdec("trace", plain, "-o", out, "--models", part, "--until", "picture") == 2
    assert lasts == [
        ("entropy", "residual_dequantised.UV"),
        ("latent", "y_hat.UV"),
        ("latent", "y_hat.UV"),
        ("picture", "picture.B"),
    ]
    for stage, last in (
        ("entropy", "residual_dequantised.UV"),
        ("latent", "y_hat.UV"),
        ("picture", "picture.B"),
    ):
        assert refdec("trace", plain, "-o", out, "--models", part, "--until", stage) == 0
        assert entries(out)[-1] == last
    assert refdec("trace", plain, "-o", out, "--models", part, "--until", "end") == 2
