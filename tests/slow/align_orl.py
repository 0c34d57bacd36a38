"""Does a spatial transformer undo known moves of real faces?

    python tests/slow/align_orl.py ../shared/data/orl

from the repository root; the folder is the ORL face database (sN/K.pgm).  Faces of 30 persons are
turned, scaled and shifted at random; one transformer alone is trained so that what it makes of a
moved face looks like the face before (mean squared difference within the middle).  Prints how far
the four corners of the face are from their places, in pixels of a 64 px face, on ten other
persons: as moved, after the transformer, and after the transformer trained on the corners
themselves, which tells what its net can do from what pixels can teach.

With 600 steps of 32 (a minute of CPU time each): as moved 6.36 px, trained on pixels 3.12, trained
on corners 3.23; 95 % of the faces are below 11.25, 5.58 and 5.41.
"""

import argparse
import pathlib

from fsketch.core import startup

startup.prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from PIL import Image  # noqa: E402

from fsketch.nets import stn  # noqa: E402

SIZE = 64
INNER = slice(SIZE // 8, -SIZE // 8)  # what an exact inverse restores for all moves but the largest
NUM_TRAINING = 30  # persons
CORNERS = np.array([[x, y, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)], np.float32).T
# The paper's largest rotation; the ranges of scale and shift are unpublished [inferred].
LOW, HIGH = (-np.pi / 6, 0.9, -0.1, -0.1), (np.pi / 6, 1.1, 0.1, 0.1)


def faces(folder):
    """float32[40, 10, S, S, 1] in [-1, 1]: the square below the top of each picture."""

    def read(path):
        with Image.open(path) as image:
            width, height = image.size
            box = (0, (height - width) // 2, width, (height + width) // 2)
            small = image.crop(box).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
            return np.asarray(small, np.float32) / 127.5 - 1

    persons = [[read(folder / f"s{n}/{k}.pgm") for k in range(1, 11)] for n in range(1, 41)]
    return np.array(persons)[..., None]


def whole(matrix):
    """float[B, 2, 3] -> float[B, 3, 3]."""
    last = jnp.broadcast_to(jnp.array([[[0.0, 0.0, 1.0]]]), (len(matrix), 1, 3))
    return jnp.concatenate([matrix, last], 1)


def moved(key, face):
    """(the faces moved at random, the matrices of it); borders are repeated, not black."""
    matrix = stn.similarity(
        jax.random.uniform(key, (len(face), 4), minval=jnp.array(LOW), maxval=jnp.array(HIGH))
    )
    half = SIZE // 2
    wide = jnp.pad(face, ((0, 0), (half, half), (half, half), (0, 0)), mode="edge")
    # The same move in half sizes of the wide picture.
    scaled = matrix.at[:, :, 2].multiply((SIZE - 1) / (2 * SIZE - 1))
    return stn.sample(wide, scaled)[:, half:-half, half:-half], matrix


def displaced(matrix, found):
    """[B, 4] pixels between the corners of a face and where move and inverse together put them."""
    both = whole(matrix) @ whole(found)
    return jnp.linalg.norm((both @ CORNERS)[:, :2] - CORNERS[:2], axis=1) * (SIZE - 1) / 2


def train(net, data, *, by_corners, steps, batch):
    """The variables of `net` after training, from the identity."""
    start = jnp.zeros((1, SIZE, SIZE, 1))
    variables = jax.jit(net.init)(jax.random.key(0), start)
    tx = optax.adam(optax.cosine_decay_schedule(1e-3, steps))

    @jax.jit
    def step(variables, opt_state, key):
        pick, flip, move = jax.random.split(key, 3)
        face = data[jax.random.randint(pick, (batch,), 0, len(data))]
        mirrored = jax.random.bernoulli(flip, shape=(batch, 1, 1, 1))
        face = jnp.where(mirrored, face[:, :, ::-1], face)
        image, matrix = moved(move, face)

        def loss(variables):
            found = stn.similarity(net.apply(variables, image))
            if by_corners:
                return jnp.square(displaced(matrix, found)).mean() / SIZE
            difference = stn.sample(image, found) - face
            return jnp.square(difference[:, INNER, INNER]).mean()

        value, gradient = jax.value_and_grad(loss)(variables)
        updates, opt_state = tx.update(gradient, opt_state)
        return optax.apply_updates(variables, updates), opt_state, value

    opt_state = tx.init(variables)
    for number in range(steps):
        variables, opt_state, value = step(variables, opt_state, jax.random.key(number))
        if number % 100 == 0:
            print(f"step {number}: loss {float(value):.4f}", flush=True)
    return variables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    data = faces(given.folder)
    mine, held_out = (jnp.asarray(x.reshape(-1, SIZE, SIZE, 1)) for x in np.split(
        data, [NUM_TRAINING]))  # fmt: skip
    net = stn.Localisation((16, 32, 64, 20, 20))
    image, matrix = jax.jit(moved)(jax.random.key(10**6), jnp.tile(held_out, (5, 1, 1, 1)))

    def report(name, found):
        error = np.asarray(displaced(matrix, found)).mean(1)  # of each of 500 faces
        print(
            f"{name}: mean {error.mean():.2f} px, median {np.median(error):.2f}, "
            f"95 % below {np.quantile(error, 0.95):.2f}",
            flush=True,
        )

    report("as moved", stn.similarity(jnp.tile(jnp.array([stn.IDENTITY]), (len(image), 1))))
    for name, by_corners in (("trained on pixels", False), ("trained on corners", True)):
        variables = train(net, mine, by_corners=by_corners, steps=given.steps, batch=given.batch)
        report(name, stn.similarity(jax.jit(net.apply)(variables, image)))


if __name__ == "__main__":
    main()
