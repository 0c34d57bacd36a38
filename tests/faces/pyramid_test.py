"""The mosaic of sizes: tiles lie apart, and the net sees in each what it sees in a photo alone."""

import jax
import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsketch.faces import pyramid
from fsketch.nets import mtcnn


@pytest.mark.parametrize("canvas", [64, 512, 1024])
def test_tiles_lie_apart_and_inside(canvas):
    tiles, shape = pyramid.layout(canvas)
    taken = np.zeros(shape, int)
    for size, x, y in tiles:
        assert x % mtcnn.STRIDE == y % mtcnn.STRIDE == 0
        assert taken[y : y + size, x : x + size].shape == (size, size)
        taken[y : y + size, x : x + size] += 1
    assert taken.max() == 1 and taken.mean() > 0.7
    sizes = [tile.size for tile in tiles]
    assert sizes[0] == canvas / 2 and mtcnn.WINDOW <= sizes[-1] < mtcnn.WINDOW / 0.7


def test_a_tile_s_windows_are_those_of_its_own_image():
    net = mtcnn.Proposal()
    canvas, scale = pyramid.reduced(Image.fromarray(data.astronaut()), 64)
    assert scale == 0.125
    image = pyramid.mosaic(canvas)
    params, apply = jax.jit(net.init)(jax.random.key(0), mtcnn.adapt(image)), jax.jit(net.apply)
    params = jax.tree.map(lambda a: 8 * a, params)  # scores apart from 0.5
    whole = [np.asarray(m)[0] for m in apply(params, mtcnn.adapt(image))]
    for tile in pyramid.layout(64)[0]:
        alone = image[:, tile.y : tile.y + tile.size, tile.x : tile.x + tile.size]
        scores, offsets = (np.asarray(m)[0] for m in apply(params, mtcnn.adapt(alone)))
        count = (tile.size - 12) // 2 + 1
        scores, offsets = scores[:count, :count], offsets[:count, :count]
        expected = []
        for row, column in np.argwhere(scores > 0.5):
            corners = np.array([column * 2, row * 2, column * 2 + 12, row * 2 + 12])
            expected.append((corners + 12 * offsets[row, column]) * 64 / tile.size)
        found, places = pyramid.windows(64, tile, *whole, 0.5)
        np.testing.assert_allclose(found, scores[scores > 0.5], atol=1e-5)
        np.testing.assert_allclose(places, np.reshape(expected, (-1, 4)), rtol=1e-3, atol=1e-2)


def test_a_small_photo_keeps_its_size():
    photo = Image.fromarray(data.astronaut()[:50, :80])
    canvas, scale = pyramid.reduced(photo, 128)
    assert scale == 1 and canvas.size == (128, 128)
    np.testing.assert_array_equal(np.asarray(canvas)[:50, :80], photo)
    assert (np.asarray(canvas)[50:] == pyramid.GREY[0]).all()
