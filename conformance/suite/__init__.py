"""Suites of pictures: what a suite is on disk, and the recipes that make the bundled one."""
