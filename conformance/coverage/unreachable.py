"""What no stream can exercise, and why: group, pattern of the points, reason. A report shows them apart."""

from __future__ import annotations

_MODEL = "binds model files and their loader, not codestreams; "
_WRITER = "binds writers: no decoder can tell"

UNREACHABLE: tuple[tuple[str, str, str], ...] = (
    ("statements", "CS-WRT-0[123]", f"{_WRITER} (tests/codestream/test_round_trips.py)"),
    ("statements", "AN-FILE-0[123]", f"{_MODEL}tests/integer/test_model_file.py"),
    ("statements", "AR-NUM-02", f"{_MODEL}tests/networks/test_orchestration.py"),
    ("statements", "AN-FMT-06", f"{_MODEL}documents a graph, no operation reads it"),
    ("statements", "AN-LUT-02", f"{_MODEL}says how our compiler makes tables (tests/quantize)"),
    ("statements", "AN-HSD-03", f"{_MODEL}tests/integer/test_proof.py"),
    ("statements", "AN-PROOF-06", f"{_MODEL}tests/integer/test_proof.py"),
    ("statements", "AR-GEN-01", "says how tables are made; every entry of them is digest-checked"),
    ("statements", "AR-DEQ-04", "a measurement, not a rule (tools/measure_dequantisation.py)"),
    ("statements", "AR-RECT-0[1-4]", f"{_MODEL}runs by choice (tests/decode/test_rectifier.py)"),
    ("statements", "AR-PIC-02", "planes at 8 bits for tools; a decoder's samples are those of AR-PIC-08"),
    (
        "headers",
        r"PIH\.components\[1\]\.synthesis_tile_(size|overlap): (between|largest)",
        "chroma repeats luma's tiling (CS-PIH-R13): one value is legal, which counts as the smallest",
    ),
    (
        "headers",
        r"PIH\.img_(width|height)_minus64: largest",
        "a picture of 4.2 million samples at the least: left out of suites of small ones",
    ),
    (
        "headers",
        "region_size: zero",
        "a payload without bytes has no terminator (AR-TANS-03); a region that is nothing has a byte",
    ),
    ("saturation", "abs low", "a magnitude is not negative, and no graph in use clips it above 0"),
    (
        "saturation",
        r"scaled latent \(AR-LSBS-02\) (low|high)",
        "both operands are latents of 16 bits, far below the saturation of 32",
    ),
    (
        "refusals",
        r"(codestream\.container\.split|input_file\.read_codestream): the codestream is larger than allowed",
        "a file of more than 2^30 bytes: left out of suites of small ones",
    ),
    (
        "refusals",
        r"entropy\.golden\.bits\.open_threads: the thread sizes do not add up to the payload",
        "guards the engine's interface; of a stream, the last thread is what the others leave of the payload",
    ),
    (
        "refusals",
        r"picture\.planes\.require_supported: the user-defined colour transform has no usable definition",
        "guards streams that were parsed without their rules; parsing refuses them before (CS-PIH-R06)",
    ),
    (
        "refusals",
        r"integer\.graph\.shapes: a tensor of the network is too large",
        f"{_MODEL}2^33 elements are 71 channels at the size of the largest picture",
    ),
    (
        "refusals",
        r"integer\.nodes\.output_size: attention over too many positions to stay exact",
        f"{_MODEL}2^23 positions are more than the largest picture has at a quarter of its sides",
    ),
    ("refusals", r"command\._failed: error", "hands on what another place has refused"),
)
