"""Evaluators of images and of embeddings: pure functions with stated conventions."""
