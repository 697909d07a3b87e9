"""Benchmark sections: the modules here with a function ``run(rounds: int) -> dict[str, float]``.

``run`` measures and returns flat names and numbers (``entropy.decode.symbols_per_s.1t``), medians of
interleaved rounds. A ratio above 1 means that refdec is faster. ``tools/bench.py`` runs sections by
name and keeps the results of the others.
"""
