"""Train the ``lite`` model set from folders of pictures. Resumable: call it again with the same output.

    python tools/train.py --pictures FOLDER... --output FOLDER [--scale 1.0] [--threads 2]

What comes out are float checkpoints (``model0_Y.pt`` ...), a log in JSON Lines and ``done.json``, the list of
finished stages. Pictures on which the set is evaluated must not be below the folders given.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from conformance.training.pictures import SIDE_LIMIT, Patches, find, load
from conformance.training.schedule import run_stage, stages


def main() -> None:
    """Run every stage that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the length of every stage")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patch", type=int, default=256)
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    done_path = options.output / "done.json"
    done: list[int] = json.loads(done_path.read_text()) if done_path.exists() else []
    pictures = [load(path, SIDE_LIMIT) for path in find(options.pictures)]
    patches = Patches(pictures, options.patch, options.batch)
    with (options.output / "log.jsonl").open("a") as log_file:

        def log(line: str) -> None:
            log_file.write(line + "\n")
            log_file.flush()
            print(line, flush=True)

        for number, stage in enumerate(stages(options.scale)):
            if number not in done:
                run_stage(stage, patches, options.output, seed=options.seed * 1000 + number, log=log)
                done.append(number)
                done_path.write_text(json.dumps(done))


if __name__ == "__main__":
    main()
