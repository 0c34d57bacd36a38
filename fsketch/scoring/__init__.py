"""Scoring: named metrics and protocols, other conventions, matching of folders, the HTML page."""
