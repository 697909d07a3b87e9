"""Make the bundled suite of pictures anew, and have every engine confirm it.

    python tools/make_suite.py [--models FOLDER] [--output conformance/photos] [--jobs N] [--engines jit]

Needs scikit-image, which has the photographs, and PyTorch: pip install -e '.[suite]'. The folder is replaced
only if every stream passes under every engine named (by default all three, on all pictures, large ones too).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

from conformance.suite.generate import write_pictures
from conformance.suite.records import open_pictures
from conformance.verify.engines import ENGINES
from conformance.verify.outcome import Outcome
from conformance.verify.report import print_table, succeeded
from conformance.verify.run import Options, default_jobs, verify_pictures
from refdec.models_io import bundled_models, open_models

REPOSITORY = Path(__file__).resolve().parents[1]


def _show(outcome: Outcome) -> None:
    line = f"{outcome.decoder} {outcome.name}: {outcome.status} {outcome.seconds:.1f} s"
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Generate beside the target, verify, then put in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="model set with encoder weights; the bundled one")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "conformance/photos")
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    options = parser.parse_args()
    # One thread: the encoder's float sums must not depend on the machine's size.
    torch.set_num_threads(1)
    start = time.perf_counter()
    models = bundled_models() if options.models is None else open_models(options.models)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.output.parent, prefix=".suite-") as name:
        folder = Path(name) / options.output.name
        folder.mkdir()
        write_pictures(folder, models, progress=lambda line: print(line, file=sys.stderr, flush=True))
        chosen = Options(
            engines=tuple(options.engines), asked=True, models=options.models, jobs=options.jobs, timeout=3600
        )
        outcomes = verify_pictures(open_pictures(folder), chosen, _show)
        print_table(outcomes, time.perf_counter() - start)
        if not succeeded(outcomes):
            return 1
        shutil.rmtree(options.output, ignore_errors=True)
        folder.rename(options.output)
    files = [path for path in options.output.rglob("*") if path.is_file()]
    print(f"{options.output}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
