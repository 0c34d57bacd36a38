"""Weights and images that a test and the script of its golden numbers draw alike."""

import zlib

import numpy as np


def weights(shapes):
    """float32 arrays under torch's keys: kernels of unit gain, biases, heads in [0, 1).

    Each depends on its key alone, so that it matters which key an array goes by.
    """
    arrays = {}
    for key, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        if shape[0] == 1:
            arrays[key] = rng.random(shape, np.float32)
            continue
        gain = 0.1 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[1:]))
        arrays[key] = np.float32(gain) * rng.standard_normal(shape, np.float32)
    return arrays


def converted(name):
    """Drawn weights of `published.WEIGHTS[name]`, through its table."""
    from flax import traverse_util  # the environment of the script has none of these

    from fsketch.convert import published, tables

    entry = published.WEIGHTS[name]
    shapes = entry.shapes()
    theirs = {
        key: tuple(np.take(shapes[ours], np.argsort(axes))) if axes else shapes[ours]
        for ours, (key, axes) in entry.table().items()
    }
    return traverse_util.unflatten_dict(
        tables.apply(entry.table(), weights(theirs), shapes, unused=entry.unused), sep="/"
    )


def images():
    """(truth, output), uint8[2, 67, 61, 3]: a near pair and a far one, of odd size."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (2, 67, 61, 3))
    near = np.clip(truth[0] + rng.integers(-20, 21, truth[0].shape), 0, 255)
    far = 255 - truth[1] // 2
    return truth.astype(np.uint8), np.stack([near, far]).astype(np.uint8)


def summary(maps):
    """Of B x H x W x C maps by name: shape, mean, maximum and 32 values."""
    result = {}
    for name, x in maps.items():
        x = np.asarray(x)
        places = np.linspace(0, x.size - 1, 32).astype(int)
        result[name] = {
            "shape": list(x.shape),
            "mean": float(x.mean()),
            "max": float(x.max()),
            "values": [round(float(v), 8) for v in x.ravel()[places]],
        }
    return result
