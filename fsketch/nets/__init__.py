"""Architectures, one paper per file; they know nothing of losses or training."""
