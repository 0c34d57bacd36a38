"""The patch model of IDE's first stage: grid, representations, search, graph, stitch, model."""
