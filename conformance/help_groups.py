"""Groups of the help pages of several commands."""

DECODERS = "Which decoders"
MUTANTS = "Which mutants"
STREAMS = "Which streams"
RUNNING = "How to run"
REPORTS = "Reports"
