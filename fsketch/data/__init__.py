"""Sources of pairs, the procedural faces, the input pipeline and augmentation."""
