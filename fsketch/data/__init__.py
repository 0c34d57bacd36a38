"""Sources of pairs, the embedded faces, the input pipeline and augmentation."""
