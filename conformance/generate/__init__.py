"""Suites made from a seed: small integer models, symbols drawn from their distributions, no float."""
