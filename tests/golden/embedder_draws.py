"""Weights and images that make_embedders.py and the tests draw alike, from numpy seeds."""

import zlib

import numpy as np

# Mean squares of kernels over 1 / fan-in: with these, embeddings are near 1 and tell images apart.
GAINS = {"facenet": 3.0, "mobilefacenet": 1.0, "mbf": 0.7, "tinyfar": 3.5}


def gain(name):
    """Of the net of that name in fsketch."""
    return GAINS.get(name.split("_")[0], 2.0)


def weight(key, shape, *, gain=2.0):
    """The array of a published key: scales that keep maps near 1, statistics off 0 and 1."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    kind = key.split(".")[-1]
    if kind == "num_batches_tracked":
        return np.int64(7)
    if kind == "noise_strength":
        return np.float32(rng.uniform(0.1, 0.3))
    if kind == "resample_filter":
        return (np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64).astype(np.float32)
    if key.startswith("mapping.fc") and kind == "weight":
        return rng.normal(0, 100, shape).astype(np.float32)
    if key.startswith("mapping.fc"):
        return rng.normal(0, 30, shape).astype(np.float32)
    if key.startswith(("synthesis", "mapping")):
        mean = 1.0 if key.endswith("affine.bias") else 0.0
        return rng.normal(mean, 0.3 if kind == "bias" else 1, shape).astype(np.float32)
    if len(shape) > 1:
        return rng.normal(0, np.sqrt(gain / np.prod(shape[1:])), shape).astype(np.float32)
    if "prelu" in key:
        return rng.uniform(0.1, 0.4, shape).astype(np.float32)
    if kind == "weight":
        # Units add to what they get: 49 of them in a row must not make it grow.
        low = 0.3 if key.endswith("bn3.weight") else 0.7
        return rng.uniform(low, 1.4 * low + 0.3, shape).astype(np.float32)
    if kind == "running_var":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)  # bias, running_mean


def images(size):
    """Two coloured images float32[2, size, size, 3] in [-1, 1] with waves, an edge and noise."""
    rng = np.random.default_rng(size)
    y, x, c = np.mgrid[:size, :size, :3]
    waves = [np.sin(y / (4 + 5 * i) + c) + np.cos(x / (3 + c + i)) + (x > y) for i in range(2)]
    noisy = np.stack(waves) / 2 - 0.3 + rng.normal(0, 0.2, (2, size, size, 3))
    return np.clip(noisy, -1, 1).astype(np.float32)


def latents(number, width):
    """Standard normal float32[number, width]."""
    return np.random.default_rng(0).normal(size=(number, width)).astype(np.float32)


STYLEGAN2 = (32, 512, 24, 16, 3)  # size, channel_base, channel_max, width, depth of the compared


def stylegan2_shapes(size, base, most, width, depth):
    """The official state dict's shapes by key, of a StyleGAN2 of this size and these channels."""
    result = {"mapping.w_avg": (width,)}
    for i in range(depth):
        result |= {f"mapping.fc{i}.weight": (width, width), f"mapping.fc{i}.bias": (width,)}
    before = 0
    for side in (2**i for i in range(2, int(np.log2(size)) + 1)):
        block, now = f"synthesis.b{side}", min(base // side, most)
        result[f"{block}.resample_filter"] = (4, 4)
        if not before:
            result[f"{block}.const"] = (now, 4, 4)
        for name, inputs in (("conv0", before), ("conv1", now)):
            if inputs:
                layer = f"{block}.{name}"
                result |= {
                    f"{layer}.weight": (now, inputs, 3, 3),
                    f"{layer}.bias": (now,),
                    f"{layer}.noise_strength": (),
                    f"{layer}.noise_const": (side, side),
                    f"{layer}.resample_filter": (4, 4),
                    f"{layer}.affine.weight": (inputs, width),
                    f"{layer}.affine.bias": (inputs,),
                }
        result |= {
            f"{block}.torgb.weight": (3, now, 1, 1),
            f"{block}.torgb.bias": (3,),
            f"{block}.torgb.affine.weight": (now, width),
            f"{block}.torgb.affine.bias": (now,),
        }
        before = now
    return result
