"""Files of evidence: what is in them, what a difference looks like, and what hostile ones cause."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import app
from conformance.evidence import collect, instructions, machine
from conformance.evidence.compare import compare
from conformance.evidence.record import read, write
from conformance.verify.suite import SuiteError
from refdec.engine_record import ran, recorded
from tests.cli.commands import call

ONLY = ("--only", "minimal", "--only", "empty", "--only", "bad-no-start", "--only", "smallest")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="module")
def golden(folder: Path) -> Path:
    from refdec.command import run

    path = folder / "golden.json"
    assert run(app, ["evidence", "--engine", "golden", "-o", str(path), *ONLY]) == 0
    return path


@pytest.fixture
def facts(golden: Path) -> dict[str, Any]:
    return json.loads(golden.read_text())


def save(path: Path, facts: Any) -> Path:
    path.write_text(json.dumps(facts))
    return path


def test_what_is_in_it(golden: Path) -> None:
    evidence = read(golden)
    assert evidence.engine["asked"] == "golden"
    assert evidence.engine["ran"] == dict.fromkeys(("entropy", "latents", "networks", "picture"), ("golden",))
    assert evidence.software["numba"] is None and evidence.instructions is None
    assert {name for _, name in evidence.streams} == {"minimal", "empty", "bad-no-start", "smallest"}
    decoded = evidence.streams["lite pictures", "smallest"]
    assert {"z_hat", "synthesis", "picture", "planes"} <= decoded.keys() and "refusal" not in decoded
    assert evidence.streams["lite pictures", "bad-no-start"].keys() == {"refusal"}
    assert evidence.disagreeing == ()


def test_all_engines_give_the_same(
    golden: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    # The listing of the real kernels is in tests/integer/test_jit_code.py, which compiles them anyway.
    listed = {"target_cpu": "a", "form": "pairs", "main_tile": 6, "counts": {"float": 0, "xmm": 7}}
    monkeypatch.setattr(instructions, "of_kernels", lambda: listed)
    jit, twin = folder / "jit.json", folder / "twin.json"
    assert call(app, capsys, "evidence", "--threads", 2, "-o", jit, *ONLY).code == 0
    words = ("--engine", "twin", "--layout", "channels_last", "-o", twin, *ONLY)
    assert call(app, capsys, "evidence", *words).code == 0
    done = call(app, capsys, "evidence", "compare", golden, jit, twin)
    assert done.code == 0 and done.out.count("\tequal") == 2, done.out + done.err
    found = read(jit)
    assert found.engine["compiled"] is True and found.instructions is not None
    assert found.instructions == listed
    assert read(twin).engine["ran"]["networks"] == ("twin",)
    single = folder / "single.json"
    words = ("--engine", "twin", "--precision", "float32", "-o", single, *ONLY)
    assert call(app, capsys, "evidence", *words).code == 0
    done = call(app, capsys, "evidence", "compare", golden, single)
    assert done.code == 0 and "twin, float32, contiguous, 1 thread(s), cpu" in done.out
    assert (read(twin).engine["precision"], read(single).engine["precision"]) == ("float64", "float32")


def test_a_difference_is_placed(facts: dict[str, Any], golden: Path, folder: Path, capsys: Any) -> None:
    other = copy.deepcopy(facts)
    row = other["streams"]["lite pictures"]["smallest"]
    for stage in ("synthesis", "mu", "picture"):
        row[other["columns"].index(stage)] = "0" * 16
    path = save(folder / "other.json", other)
    difference = compare(read(golden), read(path)).difference
    assert difference is not None and (difference.stage, difference.stream) == ("mu", "smallest")
    done = call(app, capsys, "evidence", "compare", golden, path)
    assert done.code == 1 and "first mu of lite pictures/smallest" in done.out


def test_nothing_in_common_is_no_agreement(
    facts: dict[str, Any], golden: Path, folder: Path, capsys: Any
) -> None:
    facts["streams"] = {"lite pictures": {"another": facts["streams"]["lite pictures"]["smallest"]}}
    done = call(app, capsys, "evidence", "compare", golden, save(folder / "disjoint.json", facts))
    assert done.code == 1 and "no stream in common" in done.out


def test_another_suite_is_no_agreement(
    facts: dict[str, Any], golden: Path, folder: Path, capsys: Any
) -> None:
    facts["suites"]["lite pictures"] = "0" * 64
    done = call(app, capsys, "evidence", "compare", golden, save(folder / "suite.json", facts))
    assert done.code == 1 and "not the same suite" in done.out


def test_streams_that_are_not_as_stated_fail_the_comparison(
    facts: dict[str, Any], golden: Path, folder: Path, capsys: Any
) -> None:
    facts["disagreeing"] = ["lite pictures/smallest"]
    assert call(app, capsys, "evidence", "compare", golden, save(folder / "wrong.json", facts)).code == 1


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "refconf-evidence-2"},
        {"target": "<script>"},
        {"target": 3},
        {"sources": "00"},
        {"seconds": -1},
        {"seconds": True},
        {"execution": {"kind": "certainly native", "signs": []}},
        {"machine": []},
        {"engine": None},
        {"streams": {}},
        {"streams": {"s": {"n": ["0"]}}},
        {"streams": {"s": {"n\n": []}}},
        {"stages": {"z_hat": "no digest"}},
        {"instructions": {"counts": {"float": -1}}},
        {"disagreeing": "all"},
        {"columns": ["x"] * 65},
        {"target": "a\x1b[2Jb"},
        {"refdec": "1\x9b2J"},
    ],
)
def test_hostile_values_are_refused(facts: dict[str, Any], folder: Path, change: dict[str, Any]) -> None:
    with pytest.raises(SuiteError):
        read(save(folder / "hostile.json", {**facts, **change}))


def test_nothing_is_not_equal_to_nothing(facts: dict[str, Any], folder: Path) -> None:
    """Files that hold no digest, or under a name that no decoder has, would agree with each other."""
    width = len(facts["columns"])
    row = facts["streams"]["lite pictures"]["smallest"]
    for change in (
        {"streams": {"lite pictures": {"smallest": [""] * width}}},
        {"streams": {"lite pictures": {"smallest": ["\x1b[2J" + "0" * 12, *row[1:]]}}},
        {"streams": {"unknown": {"smallest": row}}},
        {"streams": {"lite pictures": {"a\x9bm": row}}},
        {"columns": [f"stage {number}" for number in range(width)]},
        {"columns": [facts["columns"][0]] * width},
    ):
        with pytest.raises(SuiteError):
            read(save(folder / "nothing.json", {**facts, **change}))


def test_streams_that_only_one_machine_ran_are_told(
    facts: dict[str, Any], golden: Path, folder: Path, capsys: Any
) -> None:
    del facts["streams"]["lite pictures"]["bad-no-start"]
    path = save(folder / "fewer.json", facts)
    done = call(app, capsys, "evidence", "compare", golden, path)
    assert done.code == 0
    assert "\tequal; 3 streams compared, 1 ran on one of the two machines only" in done.out


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"schema": NaN}'])
def test_hostile_files_are_refused(folder: Path, data: bytes) -> None:
    path = folder / "bytes.json"
    path.write_bytes(data)
    with pytest.raises(SuiteError):
        read(path)


def test_files_from_before_there_was_a_choice_of_precision(facts: dict[str, Any], folder: Path) -> None:
    del facts["engine"]["precision"]
    assert read(save(folder / "old.json", facts)).engine["precision"] == "float64"
    facts["engine"]["precision"] = "float16"
    with pytest.raises(SuiteError, match="precision"):
        read(save(folder / "new.json", facts))


def test_every_key_is_needed_or_checked(facts: dict[str, Any], folder: Path) -> None:
    for key in facts.keys() - {"instructions"}:
        with pytest.raises(SuiteError):
            read(save(folder / "less.json", {name: value for name, value in facts.items() if name != key}))


def test_written_and_read_again(facts: dict[str, Any], folder: Path) -> None:
    path = folder / "again.json"
    write(path, facts)
    assert json.loads(path.read_text()) == facts


def test_another_engine_than_asked_for_is_an_error() -> None:
    voice = collect.Voice("jit")
    collect.require_engine(voice, {"entropy": {"jit"}, "networks": {"jit"}})
    with pytest.raises(collect.EvidenceError, match="networks ran on golden"):
        collect.require_engine(voice, {"entropy": {"jit"}, "networks": {"golden"}})
    with pytest.raises(collect.EvidenceError, match="networks ran on golden, jit"):
        collect.require_engine(voice, {"networks": {"golden", "jit"}})
    with pytest.raises(collect.EvidenceError, match="computed nothing"):
        collect.require_engine(voice, {})
    twin = collect.Voice("twin")
    collect.require_engine(twin, {"entropy": {"golden"}, "networks": {"twin"}})
    with pytest.raises(collect.EvidenceError):
        collect.require_engine(twin, {"entropy": {"golden"}, "networks": {"golden"}})
    with pytest.raises(collect.EvidenceError, match="computed nothing"):
        collect.require_engine(twin, {"entropy": {"golden"}})


def test_a_silent_fallback_is_caught(monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: Any) -> None:
    from refdec.integer import golden as engine
    from refdec.integer import jit

    def fall_back(graph: Any, inputs: Any, size: Any, *, threads: int = 1, observe: Any = None) -> Any:
        return engine.run(graph, inputs, size, observe=observe)

    monkeypatch.setattr(jit, "run", fall_back)
    done = call(app, capsys, "evidence", "-o", folder / "fallen.json", "--only", "minimal")
    assert done.code == 1 and "networks ran on golden" in done.err
    assert not (folder / "fallen.json").exists()


def test_the_record_is_kept_only_inside_the_block() -> None:
    with recorded() as outer:
        ran("entropy", "jit")
        with recorded() as inner:
            ran("entropy", "golden")
    ran("entropy", "twin")
    assert (outer, inner) == ({"entropy": {"jit", "golden"}}, {"entropy": {"golden"}})


def test_execution_is_what_the_process_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(machine.MARKER, raising=False)
    if machine.execution()["kind"] != "native":
        pytest.skip("this process is emulated")
    monkeypatch.setenv(machine.MARKER, "qemu of somebody")
    found = machine.execution()
    assert found["kind"] == "emulated" and "qemu of somebody" in found["signs"][0]
    monkeypatch.delenv(machine.MARKER)
    monkeypatch.setattr(machine, "architecture", lambda: "s390x")
    signs = machine.execution()["signs"]
    if os.path.exists("/proc/sys/kernel/arch"):  # noqa: PTH110
        assert any("the kernel is for" in sign for sign in signs)


@pytest.mark.parametrize(
    ("number", "order", "name"), [(62, "little", "x86_64"), (183, "little", "aarch64"), (22, "big", "s390x")]
)
def test_programs_are_told_apart_by_their_heads(tmp_path: Path, number: int, order: Any, name: str) -> None:
    data = bytes([1 if order == "little" else 2])
    (tmp_path / "p").write_bytes(b"\x7fELF\x02" + data + bytes(12) + number.to_bytes(2, order) + bytes(8))
    assert machine.elf_machine(tmp_path / "p") == name
    assert machine.elf_machine(tmp_path / "absent") is None


def test_instructions_are_counted_by_class() -> None:
    x86 = "f:\n\tvpdpwssd\t%zmm1, %zmm2, %zmm3\n\tvaddps\t%ymm0, %ymm1, %ymm2\n"
    x86 += "\t.p2align 4\n\tcvttps2dq\t%xmm0, %xmm1\n"
    found = instructions.count(x86, "x86")
    assert {k: v for k, v in found.items() if v} == {
        "instructions": 3, "vpdpwssd": 1, "float": 1, "cvttps2dq": 1, "zmm": 1, "ymm": 1, "xmm": 1,
    }  # fmt: skip
    arm = "f:\n\tsmlal2\tv0.4s, v1.8h, v2.8h\n\tsmlal\tv0.4s, v1.4h, v2.4h\n"
    arm += "\tfadd\td0, d1, d2\n\tldr\tq1, [x0]\n"
    found = instructions.count(arm, "arm")
    assert (found["smlal"], found["float"], found["q"], found["instructions"]) == (2, 1, 3, 4)


@pytest.mark.parametrize(
    ("kind", "integers", "floats"),
    [
        ("power", "mulld vmuluwm vadduwm vminsw vcmpgtsw vperm xxlor xxswapd lxvd2x stxvd2x lfd stfd mffprd",
         "fadd fmadds fctidz fcfidu xsadddp xvmulsp xscvdpsxds vaddfp vcfsx"),
        ("z", "msr msgfr mh ar dsgr lpr vmlhw vmalf vaf vesravf vfaeb vfenezbs vceqb vlgvf vsel ld std",
         "aebr adb meebr mdbr sqdbr cdbr ledbra cegbr cfebra vfadb wfmdb vcdgb wcgdb vledb"),
        ("neon", "vmlal.s16 vmull.s16 vmla.i32 vmul.i32 vadd.i32 vmov.f64 vmov.32 vmin.s32 add vldr vst1.16",
         "vadd.f32 vmla.f32 vcvt.f32.s32 vcvt.s32.f64 vsqrt.f64 vcmp.f32"),
        ("risc-v", "mul mulw vmul.vv vwmacc.vx vadd.vv vfirst.m fence fmv.x.d fld",
         "fadd.s fmadd.d fcvt.w.s feq.d vfadd.vv vfwmacc.vf vfncvt.f.f.w vmfeq.vv"),
    ],
)  # fmt: skip
def test_floats_are_told_from_integers(kind: str, integers: str, floats: str) -> None:
    def lines(words: str) -> str:
        return "f:\n" + "".join(f"\t{word}\tq1, 2, 3\n" for word in words.split())

    found = instructions.count(lines(integers), kind)
    assert found["float"] == 0 and found["instructions"] == len(integers.split())
    assert all(n for name, n in found.items() if name != "float"), found
    found = instructions.count(lines(floats), kind)
    assert found["float"] == found["instructions"] == len(floats.split())


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-o", "x.txt"),
        ("-o", "x.json", "--engine", "other"),
        ("-o", "x.json", "--layout", "other"),
        ("-o", "x.json", "--precision", "float16"),
        ("-o", "x.json", "--engine", "twin", "--device", "tpu"),
        ("-o", "x.json", "--engine", "twin", "--device", "mps"),
        ("-o", "x.json", "--target", "<b>"),
        ("-o", "x.json", "--engine", "golden", "--only", "no such stream"),
        ("compare", "absent.json", "absent.json"),
    ],
)
def test_usage_errors(words: tuple[str, ...], capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(app, capsys, "evidence", *words).code == 2
