"""refdec: a JPEG AI decoder in which integers alone decide every bit."""

__version__ = "0.1.0"
