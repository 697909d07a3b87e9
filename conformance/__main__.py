"""``python -m conformance``, and what the script calls."""

from __future__ import annotations

from refdec.__main__ import start


def main() -> None:
    """Run ``refconf`` and end the process."""
    start("conformance")


if __name__ == "__main__":
    main()
