"""Suites for Fluster, the conformance runner of many codecs: its JSON files, its folders, a launcher."""
