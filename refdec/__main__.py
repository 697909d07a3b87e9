"""``python -m refdec``."""

from refdec.cli import main

main()
