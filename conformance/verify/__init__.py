"""Judging a decoder: suites of vectors, the verifier, its reports."""
