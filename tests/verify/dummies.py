"""A decoder for the harness to judge: it has the right answers beside it, and lies as it is told to.

    python dummies.py LIE ANSWERS INPUT OUTPUT [TRACE]

``ANSWERS`` holds, by the digest of a codestream, planes as ``.npy`` and a trace as ``.jsonl``. A stream
without an answer is malformed, and refused with exit code 3.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main(lie: str, answers: str, source: str, target: str, *more: str) -> int:
    """Exit code of the decoder."""
    if lie == "hang":
        time.sleep(600)
    if lie == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if lie == "nothing":
        return 0
    if lie == "accepts-all":
        Path(target).write_bytes(b"not a picture")
        return 0
    answer = Path(answers) / f"{hashlib.sha256(Path(source).read_bytes()).hexdigest()}.npy"
    if lie == "rejects-all" or not answer.exists():
        sys.stderr.write("I do not like it\n")
        return 3
    import numpy as np

    planes = np.load(answer)
    if lie == "off-by-one":
        planes[1, 5, 7] ^= 1
    if lie == "wrong-order":
        planes = planes[::-1]
    if lie == "interleaved":
        planes = np.moveaxis(planes, 0, -1).reshape(planes.shape)
    if lie == "wrong-size":
        planes = planes[:, :, :-1]
    write(np.ascontiguousarray(planes), Path(target))
    if lie == "truncated":
        os.truncate(target, Path(target).stat().st_size - 100)
    if lie == "too-long":
        with Path(target).open("ab") as file:
            file.write(bytes(5 << 20))
    if more and lie != "no-trace":
        write_trace(answer.with_suffix(".jsonl"), Path(more[0]), lie == "wrong-trace")
    return 1 if lie == "wrong-exit-code" else 0


def write(planes: Any, target: Path) -> None:
    """Planes as the suffix says."""
    import numpy as np
    from PIL import Image

    pixels = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    if target.suffix == ".raw":
        target.write_bytes(planes.tobytes())
    elif target.suffix == ".npy":
        np.save(target, planes)
    elif target.suffix == ".ppm":
        head = f"P6 # by a dummy\n{planes.shape[2]}\n{planes.shape[1]} 255\n"
        target.write_bytes(head.encode() + pixels.tobytes())
    else:
        Image.fromarray(pixels).save(target)


def write_trace(answer: Path, target: Path, wrong: bool) -> None:
    """The right trace without its synthesis; or one that parts from it at the chroma residual."""
    lines = []
    for line in answer.read_text().splitlines():
        entry = json.loads(line)
        if wrong and (entry.get("point"), entry.get("component")) == ("residual", "UV"):
            entry["sha256"] = hashlib.sha256(b"something else").hexdigest()
        if not entry.get("point", "").startswith("synthesis"):
            lines.append(json.dumps(entry))
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
