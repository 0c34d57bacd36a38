"""The pool against a plain list, and over devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import image_pool, state


def reference(stored, fakes, swaps, places, *, size):
    """The published pool, on a Python list."""
    shown = []
    for fake, swap, place in zip(fakes, swaps, places, strict=True):
        if len(stored) < size:
            stored.append(fake)
            shown.append(fake)
        elif swap:
            shown.append(stored[place])
            stored[place] = fake
        else:
            shown.append(fake)
    return shown


def images_of(numbers):
    return jnp.asarray(numbers, jnp.float32).reshape(-1, 1, 1, 1) * jnp.ones((2, 3, 1))


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_pool_does_what_a_list_does(batch):
    size = 4
    pool, stored = image_pool.create(size, (2, 3, 1)), []
    exchange = jax.jit(image_pool.exchange)
    swapped = 0
    for step in range(8):
        numbers = np.arange(step * batch, (step + 1) * batch)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), step), batch)
        swaps, places = image_pool.draw(keys, size=size)
        pool, shown = exchange(pool, images_of(numbers), swaps, places)
        expected = reference(
            stored, numbers.tolist(), np.asarray(swaps).tolist(), np.asarray(places), size=size
        )
        np.testing.assert_array_equal(shown, images_of(expected))
        swapped += sum(a != b for a, b in zip(expected, numbers, strict=True))
        assert int(pool.count) == len(stored)
    np.testing.assert_array_equal(pool.images, images_of(stored))
    assert swapped


def test_draws_are_even_and_depend_on_each_example_alone():
    keys = jax.random.split(jax.random.key(0), 4000)
    swaps, places = jax.jit(image_pool.draw, static_argnames="size")(keys, size=5)
    assert float(swaps.mean()) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(np.bincount(places, minlength=5) / 4000, 0.2, atol=0.03)
    alone, _ = image_pool.draw(keys[7:8], size=5)
    assert alone[0] == swaps[7]


def test_a_pool_of_no_images_shows_every_fake():
    fakes = images_of([1, 2])
    pool, shown = image_pool.exchange(
        image_pool.create(0, (2, 3, 1)), fakes, jnp.array([True, True]), jnp.array([0, 0])
    )
    np.testing.assert_array_equal(shown, fakes)
    assert int(pool.count) == 0


def test_devices_share_one_pool_in_the_order_of_the_global_batch():
    """Four examples over two devices give what one device gives."""
    keys = jax.random.split(jax.random.key(3), 4)
    swaps, places = image_pool.draw(keys, size=2)
    swaps = swaps.at[:].set(True)
    start = image_pool.ImagePool(images_of([10, 11]), jnp.asarray(2))
    fakes = images_of([1, 2, 3, 4])
    alone, expected = image_pool.exchange(start, fakes, swaps, places)

    def on_device(pool, *mine):
        pool, shown = image_pool.exchange(pool, *state.gather(mine))
        return pool, state.own_part(shown)

    mapped = jax.pmap(on_device, axis_name="device", devices=jax.devices()[:2])
    split = [x.reshape(2, 2, *x.shape[1:]) for x in (fakes, swaps, places)]
    pools, shown = mapped(jax.tree.map(lambda x: jnp.stack([x, x]), start), *split)
    np.testing.assert_array_equal(shown.reshape(expected.shape), expected)
    for device in (0, 1):
        np.testing.assert_array_equal(pools.images[device], alone.images)
