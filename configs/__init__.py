"""Experiments: base.py holds every field, each other file one experiment's differences."""
