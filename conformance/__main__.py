"""``python -m conformance``, and what the script calls."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process."""
    try:
        from conformance.cli import app
        from refdec.command import run

        code = run(app)
    except KeyboardInterrupt:  # while modules are loaded
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
