"""Maps, LPIPS and DISTS equal torch's on drawn weights that pass the converter's tables.

The numbers are those of golden/make_perceptual.py.
"""

import json
import pathlib

import jax
import numpy as np
import pytest
from golden import perceptual_draws as draws

from fsketch.frozen import architectures, metric_nets
from fsketch.metrics import dists, lpips
from fsketch.nets import layers, vgg

pytestmark = pytest.mark.usefixtures("full_optimization")

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/perceptual.json").read_text())


@pytest.fixture(scope="module")
def vgg16():
    return draws.converted("vgg16")


def recorded(net, params, score):
    """(maps of the truth, score of the drawn pairs), both from one compiled call."""

    @jax.jit
    def run(params, truth, output):
        maps = {}

        def features(image):
            maps.update(net.apply({"params": params}, image))
            return maps

        distance = score(truth, output, features)
        return {tap: x[: len(truth)] for tap, x in maps.items()}, distance

    return run(params, *draws.images())


def assert_maps(maps, golden):
    found = draws.summary({tap: maps[tap] for tap in golden})
    for tap, expected in golden.items():
        assert found[tap]["shape"] == expected["shape"], tap
        for quantity in ("mean", "max", "values"):
            np.testing.assert_allclose(
                found[tap][quantity], expected[quantity],
                rtol=0, atol=1e-4 * expected["max"], err_msg=f"{tap}/{quantity}",
            )  # fmt: skip


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_lpips_equals_the_reference(net, request):
    name = metric_nets.WEIGHTS[f"lpips_{net}"]["net"]
    module = architectures.ARCHITECTURES[name].maps()
    params = request.getfixturevalue("vgg16") if name == "vgg16" else draws.converted(name)
    heads = draws.converted(f"lpips_{net}")
    maps, distance = recorded(
        module, params,
        lambda truth, output, features: lpips.lpips(truth, output, features=features, heads=heads),
    )  # fmt: skip
    golden = GOLDEN[f"lpips_{net}"]
    assert_maps(maps, golden["taps"])
    np.testing.assert_allclose(distance, golden["score"], rtol=0, atol=1e-5)


def test_dists_equals_piq(vgg16):
    weights = draws.converted("dists")
    maps, distance = recorded(
        vgg.VGG(depths=vgg.VGG16_DEPTHS, pool=layers.l2_pool), vgg16,
        lambda truth, output, features: dists.dists(
            truth, output, features=features, weights=weights
        ),
    )  # fmt: skip
    maps["image"] = draws.images()[0] / 255
    assert_maps(maps, GOLDEN["dists"]["taps"])
    np.testing.assert_allclose(distance, GOLDEN["dists"]["score"], rtol=0, atol=1e-5)
