"""Networks whose weights do not change: teachers, embedders, generators, metric nets."""
