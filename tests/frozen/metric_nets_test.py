"""From a folder of converted weights to metrics; what is missing is named with its remedy."""

import hashlib
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import perceptual_draws as draws

from fsketch.convert import files, published
from fsketch.frozen import metric_nets, registry

pytestmark = pytest.mark.usefixtures("full_optimization")

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/perceptual.json").read_text())
DIGEST = hashlib.sha256(b"a published file").hexdigest()


def write(folder, name, params=None, net=None):
    path = str(folder / f"{name}.safetensors")
    params = params or draws.converted(name)
    files.write(path, params, net=net or name, source="file", sha256=DIGEST)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name in ("alexnet", "lpips_alex", "dists"):
        write(folder, name)
    return folder


def test_lpips_from_files_equals_the_reference(folder):
    metric = registry.load("metric", str(folder), net="lpips_alex")
    assert metric.weights == {"alexnet": DIGEST, "lpips_alex": DIGEST}
    truth, output = draws.images()
    expected = GOLDEN["lpips_alex"]["score"]
    np.testing.assert_allclose(metric(truth, output), expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"expected relu3"):
        metric(truth[:, :24], output[:, :24])


def test_dists_from_files(folder, monkeypatch):
    """With VGG-16 in memory only."""
    params = draws.converted("vgg16")
    read, digest = metric_nets._read, files.source_sha256
    monkeypatch.setattr(metric_nets, "_read", lambda n, p: params if n == "vgg16" else read(n, p))
    monkeypatch.setattr(files, "source_sha256", lambda p: "0" if "vgg16" in p else digest(p))
    metric = registry.load("metric", str(folder), net="dists")
    assert metric.weights == {"vgg16": "0", "dists": DIGEST}
    assert jax.tree.map(jnp.shape, metric.params["net"]) == jax.tree.map(jnp.shape, params)
    lowered = metric.function.lower(metric.params, *draws.images())
    assert lowered.out_info.shape == (2,)
    # All products are in full float32 on every device.
    assert "HIGHEST" in lowered.as_text() and "DEFAULT" not in lowered.as_text()


def test_every_missing_file_is_named_with_its_origin_and_the_command(folder):
    with pytest.raises(metric_nets.WeightsError) as caught:
        registry.load("metric", str(folder), net="lpips_squeeze")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("squeezenet_v1.1", "lpips_squeeze"), strict=True):
        weights = published.WEIGHTS[name]
        path = folder / f"{name}.safetensors"
        assert line.startswith(f"{path}: missing") and weights.project in line
        assert line.endswith(f"fsketch convert {name} {weights.file} {path}")


NAN = np.full((1, 1, 1, 1475), np.nan, np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "dists.safetensors").write_bytes(b"no weights"), "a safetensors file, got"),
        (lambda f: write(f, "dists", net="lpips_alex"), "expected 'dists' in it, got 'lpips_alex'"),
        (lambda f: write(f, "dists", {"alpha": NAN}), "its arrays are not those of the net"),
        (lambda f: write(f, "dists", {"alpha": NAN, "beta": 0 * NAN}), "not finite: alpha, beta"),
    ],
)  # fmt: skip
def test_unusable_files_are_named_with_the_remedy(spoil, message, tmp_path):
    spoil(tmp_path)
    with pytest.raises(metric_nets.WeightsError, match=message) as caught:
        registry.load("metric", str(tmp_path), net="dists")
    path = tmp_path / "dists.safetensors"
    line = str(caught.value).splitlines()[-1]
    assert line.startswith(f"{path}: ")
    assert line.endswith(f"fsketch convert dists weights.pt {path}")
    assert "vgg16.safetensors: missing" in str(caught.value)


def test_unknown_nets_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"one of \['dists', .*got 'lpips_resnet'"):
        registry.load("metric", str(tmp_path), net="lpips_resnet")
