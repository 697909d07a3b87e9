"""Faults of the machine and of files: what a user would hope for is what happens (docs/faults.md)."""
