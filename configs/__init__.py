"""Configurations: shared fields (shared.py), data sets (data.py), and one file for each method."""
