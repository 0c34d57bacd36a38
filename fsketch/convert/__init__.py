"""Converts pretrained weights of other projects to ours, with every key accounted for."""
