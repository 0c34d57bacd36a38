"""Times forms of the spatial transformer's sampler on this machine.

    python tests/golden/time_stn.py --batch=4

from the repository root.  Prints milliseconds an image of value and gradients at the four places
of IFRP's net (two of them are of one size), medians over rounds in which the forms take turns.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.nets import stn

MAPS = ((64, 32), (32, 64), (16, 128))  # pixels a side, channels


def tents(image, matrix):
    """Weights of rows [B, HW, H] and of columns [B, HW, W] at every sampling point."""
    B, H, W, _ = image.shape
    points = stn._sampling_points(matrix, H, W)
    return (
        jax.nn.relu(1 - jnp.abs(at[..., None] - jnp.arange(n))).reshape(B, H * W, n)
        for at, n in zip(points, (H, W), strict=True)
    )


def one_product(image, matrix):
    """Each output pixel as a weighted sum over all input pixels."""
    B, H, W, C = image.shape
    weight_y, weight_x = tents(image, matrix)
    weight = weight_y[..., :, None] * weight_x[..., None, :]
    return (weight.reshape(B, H * W, H * W) @ image.reshape(B, H * W, C)).reshape(image.shape)


def two_products(image, matrix):
    """The same over rows, then over columns."""
    B, H, W, C = image.shape
    weight_y, weight_x = tents(image, matrix)
    columns = weight_y @ image.reshape(B, H, W * C)  # B x HW x WC
    out = jnp.einsum("bpw,bpwc->bpc", weight_x, columns.reshape(B, H * W, W, C))
    return out.reshape(B, H, W, C)


def with_gradients(form):
    """The jitted function (image, matrix, gradient of the output) -> (output, gradients)."""

    def run(image, matrix, gradient):
        output, pull = jax.vjp(form, image, matrix)
        return output, pull(gradient)

    return jax.jit(run)


FORMS = {
    "gathered": stn.sample,
    "scattered": lambda image, matrix: stn._interpolate(image, matrix)[0],
    "one product": one_product,
    "two products": two_products,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    for size, channels in MAPS:
        rng = np.random.default_rng(0)
        shape = (given.batch, size, size, channels)
        image, gradient = rng.normal(size=(2, *shape)).astype(np.float32)
        low, high = [-0.5, 0.97, -0.1, -0.1], [0.5, 1.1, 0.1, 0.1]
        matrix = stn.similarity(jnp.asarray(rng.uniform(low, high, (given.batch, 4)), jnp.float32))

        runs = {name: with_gradients(form) for name, form in FORMS.items()}
        times = {name: [] for name in FORMS}
        for _ in range(given.rounds + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                jax.block_until_ready(run(image, matrix, gradient))
                times[name].append(1e3 * (time.perf_counter() - start) / given.batch)
        line = "  ".join(f"{name} {np.median(values[1:]):.2f}" for name, values in times.items())
        print(f"{size} x {size} x {channels}: {line} ms", flush=True)


if __name__ == "__main__":
    main()
