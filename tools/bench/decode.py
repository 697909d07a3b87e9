"""Whole decodes with the bundled models: codestream in memory to picture in memory, split by stage; memory.

Streams are coded for the purpose: made-up textures, model 1, displacement 0. Stage times are
those of one decode at a time, taken in turns with whole ones; ``peak_mb`` is the whole process in a child of
its own, with everything that Python and its libraries need.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tools.bench.timing import interleave

ROOT = Path(__file__).resolve().parents[2]
SMALL, LARGE = (512, 768), (3072, 4096)
MODEL, DELTA = 1, 0
START = """
import sys, time
from refdec.decoder import decode
from refdec.models_io import bundled_models
decode(open(sys.argv[1], "rb").read(), bundled_models())
print(time.time())
"""
PEAK = """
import json, sys, time
from refdec.decoder import decode
from refdec.models_io import bundled_models
from tools.bench.peak import peak_megabytes
data, models = open(sys.argv[1], "rb").read(), bundled_models()
begin = time.perf_counter()
decode(data, models, threads=int(sys.argv[2]))
seconds = time.perf_counter() - begin
print(json.dumps([seconds, peak_megabytes()]))
"""


def stream(size: tuple[int, int]) -> bytes:
    """A codestream of a made-up picture."""
    from conformance.encoder.encode import Encoder
    from conformance.encoder.machine import machine
    from conformance.encoder.source import make_source
    from conformance.suite.pictures import source_picture
    from refdec.models_io import bundled_models

    with machine(bundled_models(), "jit") as engine:
        source = make_source(source_picture("mosaic", None, size), "444")
        return Encoder(source, engine).code(MODEL, DELTA).data


def stages(data: bytes) -> dict[str, Callable[[], object]]:
    """The decoder's stages, each on what the one before it left."""
    from refdec.codestream import parse
    from refdec.entropy_stage import decode_payloads
    from refdec.latent_stage import decode_latents
    from refdec.models_io import bundled_models
    from refdec.picture import coded_planes, make_picture
    from refdec.settings import DEFAULT_SETTINGS
    from refdec.synthesis_stage import Steps, synthesis_models, synthesise_planes

    models = bundled_models()
    parsed = parse(data)
    header = parsed.picture
    transforms = synthesis_models(header, models, DEFAULT_SETTINGS)
    coded = decode_payloads(parsed, models, DEFAULT_SETTINGS)
    latents = decode_latents(coded, models, DEFAULT_SETTINGS, None)

    def synthesise() -> tuple[object, object]:
        return synthesise_planes(header, transforms, latents, DEFAULT_SETTINGS, None, Steps(header, None))

    luma, chroma = synthesise_planes(header, transforms, latents, DEFAULT_SETTINGS, None, Steps(header, None))
    return {
        "headers": lambda: parse(data),
        "entropy": lambda: decode_payloads(parsed, models, DEFAULT_SETTINGS),
        "latents": lambda: decode_latents(coded, models, DEFAULT_SETTINGS, None),
        "synthesis": synthesise,
        "picture": lambda: make_picture(header, coded_planes(header, luma, chroma), engine="jit", threads=1),
    }


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section."""
    from refdec.decoder import decode
    from refdec.models_io import bundled_models

    data, models = stream(SMALL), bundled_models()
    candidates: dict[str, Callable[[], object]] = {
        "ms.1t": lambda: decode(data, models),
        "ms.2t": lambda: decode(data, models, threads=2),
        **{f"{name}_ms.1t": call for name, call in stages(data).items()},
    }
    name = f"decode.{SMALL[1]}x{SMALL[0]}"
    results: dict[str, float] = {f"{name}.bpp": 8 * len(data) / (SMALL[0] * SMALL[1])}
    for key, timing in interleave(candidates, rounds).items():
        results[f"{name}.{key}"] = 1000 * timing.median
        results[f"{name}.{key}.best"] = 1000 * timing.best
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jai"
        path.write_bytes(stream((64, 64)))
        starts = []
        for _ in range(max(3, rounds // 3)):
            begin = time.time()
            starts.append(float(_child(START, path)) - begin)
        results["decode.64x64.start_to_picture_s"] = float(np.median(starts))
        path.write_bytes(stream(LARGE))
        for threads in (1, 2):
            seconds, peak = json.loads(_child(PEAK, path, str(threads)))
            results[f"decode.12mp.s.{threads}t"] = seconds
            results[f"decode.12mp.peak_mb.{threads}t"] = peak
    return results


def _child(code: str, path: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", code, str(path), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
