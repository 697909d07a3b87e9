"""Write the bundled verification suite into conformance/vectors; the same version gives the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.verify.generate import SEED, write_suite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[1] / "conformance" / "vectors"
    parser.add_argument("output", nargs="?", type=Path, default=default)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    manifest = write_suite(options.output, options.seed, lambda name: print(name, file=sys.stderr))
    print(
        f"{options.output}: {len(manifest['streams'])} streams, {len(manifest['malformed'])} malformed ones"
    )


if __name__ == "__main__":
    main()
