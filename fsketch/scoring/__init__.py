"""Scoring: metrics by name, protocols, other conventions, matching of folders, the report page."""
