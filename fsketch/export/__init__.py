"""Trained translators as files for other runtimes: `fsketch export` (program.py)."""
