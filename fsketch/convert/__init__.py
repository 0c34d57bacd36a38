"""Pretrained weights of other ecosystems, turned into ours with every key accounted for."""
