"""``python -m refdec``, and what the scripts call."""

from __future__ import annotations

import sys
from importlib import import_module


def start(program: str) -> None:
    """Run the command line of a package, ``app`` in its module ``cli``, and end the process."""
    try:
        app = import_module(f"{program}.cli").app
        from refdec.command import run

        code = run(app)
    except KeyboardInterrupt:  # while modules are loaded
        code = 130
    sys.exit(code)


def main() -> None:
    """Run ``refdec`` and end the process."""
    start("refdec")


if __name__ == "__main__":
    main()
