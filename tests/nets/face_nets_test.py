"""Face embedders: sizes, published keys, embeddings as torch's, training's statistics.

The numbers are those of golden/make_embedders.py.
"""

import ast
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from golden import embedder_draws as draws

from fsketch.convert import program, published
from fsketch.core import state
from fsketch.frozen import architectures, registry
from fsketch.nets import facenet, iresnet, mobilefacenet, tinynet

with np.load(pathlib.Path(__file__).parents[1] / "golden" / "embedders.npz") as _archive:
    GOLDEN = dict(_archive)
COMPARED = sorted(GOLDEN.keys() & published.WEIGHTS.keys())
PARAMETERS = {
    "iresnet18": 24_025_600,
    "iresnet50": 43_590_848,
    "iresnet100": 65_156_160,
    "facenet_vggface2": 23_482_624,
    "mobilefacenet": 1_200_512,
    "mbf": 2_059_520,
    "tinyfar_a": 5_562_844,
    "tinyfar_b": 3_105_434,
    "tinyfar_c": 1_832_106,
}


def torch_shapes(name):
    """The published state dict's shapes by key."""
    lines = GOLDEN[f"{name}/shapes"].tobytes().decode().splitlines()
    return {key: ast.literal_eval(shape) for key, shape in (line.split(" ", 1) for line in lines)}


def state_dict(name):
    gain = draws.gain(name)
    return {key: draws.weight(key, shape, gain=gain) for key, shape in torch_shapes(name).items()}


@pytest.mark.parametrize(("name", "number"), PARAMETERS.items())
def test_nets_have_their_published_sizes_and_every_key_its_place(name, number):
    weights = published.WEIGHTS[name]
    table, theirs, ours = weights.table(), torch_shapes(name), weights.shapes()
    count = sum(int(np.prod(s)) for flat, s in ours.items() if flat.startswith("params/"))
    assert count == int(GOLDEN[f"{name}/parameters"]) == number
    used = {key for key, _ in table.values()}
    counters = {key for key in theirs if key.endswith("num_batches_tracked")}
    assert used | counters | {k for k in weights.unused if k in theirs} == set(theirs)
    assert table.keys() == ours.keys()


def test_timm_s_weights_are_the_student_s_without_its_head():
    keys = {key.removeprefix("cnn.") for key in torch_shapes("tinyfar_b")}
    table = published.WEIGHTS["tinynet_b"].table()
    counters = {key for key in keys if key.endswith("num_batches_tracked")}
    assert {key for key, _ in table.values()} == keys - counters - {"fc.weight", "fc.bias"}


def assert_embeds(found, name):
    np.testing.assert_allclose(found, GOLDEN[name], rtol=0, atol=1e-4 * np.abs(GOLDEN[name]).max())


@pytest.mark.parametrize("name", COMPARED)
def test_embeddings_equal_torch_s(name, tmp_path):
    np.savez(tmp_path / "in.npz", **state_dict(name))
    out = str(tmp_path / "out.safetensors")
    assert program.main([name, str(tmp_path / "in.npz"), out]) == 0
    embedder = registry.load("embedder", out)
    images = draws.images(architectures.ARCHITECTURES[name].size_px)
    found = jax.jit(lambda embedder, images: embedder(images))(embedder, images)
    assert found.shape == (2, 512) and found.dtype == np.float32
    assert_embeds(found, name)
    if name == "facenet_vggface2":  # it is also a net of maps
        assert_embeds(embedding_of_maps(out), name)


def embedding_of_maps(path):
    """FaceNet's embedding, from its last map on in numpy."""
    net = registry.load("maps", path, taps=("conv2d_4a", "block8"))
    maps = jax.jit(lambda net, images: net(images))(net, draws.images(facenet.SIZE_PX))
    assert maps["conv2d_4a"].shape == (2, 36, 36, 192)
    params, stats = (net.variables[kind]["net"] for kind in ("params", "batch_stats"))
    x = np.asarray(maps["block8"], np.float64).mean((1, 2)) @ params["last_linear"]["kernel"]
    norm, seen = (traverse_util.flatten_dict(t["last_bn"], sep="/") for t in (params, stats))
    values = {key.split("/")[-1]: array for key, array in (norm | seen).items()}
    x = (x - values["mean"]) / np.sqrt(values["var"] + facenet.EPSILON)
    x = x * values.get("scale", 1.0) + values["bias"]
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


NETS = [
    (mobilefacenet.MobileFaceNet(2, size_px=48), 48),
    (facenet.InceptionResNetV1(), 80),
    (tinynet.TinyNet("mini"), 33),
]


@pytest.mark.parametrize(("net", "size"), NETS, ids=lambda net: type(net).__name__)
def test_players_train_them_at_other_sizes(net, size):
    images = jnp.zeros((2, size, size, 3))

    def run(key):
        player = state.create_player(key, net, optax.sgd(0.1), images)
        return player.stats, player(images, train=True, keys=jax.random.split(key, 2))

    stats, (embedding, new_stats) = jax.eval_shape(run, jax.random.key(0))
    assert embedding.shape == (2, 512)
    assert jax.tree.structure(new_stats) == jax.tree.structure(stats)


def test_training_uses_the_batch_and_moves_the_statistics(monkeypatch):
    monkeypatch.setattr(iresnet, "WIDTHS", (4, 4, 4, 4))
    net = iresnet.IResNet((1, 1, 1, 1), embedding_size=8, size_px=16, dropout_rate=0.4)
    images = jnp.asarray(draws.images(16))
    variables = jax.jit(net.init)(jax.random.key(0), images)

    @jax.jit
    def train(keys):
        return net.apply(variables, images, train=True, keys=keys, mutable=["batch_stats"])

    embedding, new = train(jax.random.split(jax.random.key(1)))
    # The last normalisation's scale is 1 and its bias 0: over the batch the mean is 0.
    np.testing.assert_allclose(embedding.mean(0), np.zeros(8), atol=1e-5)
    assert np.abs(embedding - train(jax.random.split(jax.random.key(2)))[0]).max() > 0.01
    kernel = np.asarray(variables["params"]["conv1"]["kernel"])
    padded = np.pad(np.asarray(images), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    maps = np.einsum("bhwcuv,uvco->bhwo", windows, kernel)
    stats = new["batch_stats"]["bn1"]
    np.testing.assert_allclose(stats["mean"], 0.1 * maps.mean((0, 1, 2)), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * maps.var((0, 1, 2)), rtol=1e-4)


def test_published_input_ranges():
    image = jnp.asarray([-1.0, 1.0]).reshape(1, 1, 2, 1)  # v = 0 and 255, grey
    for name, (low, high) in {
        "iresnet100": (-1, 1),
        "iresnet100_mxnet": (-127.5 / 128, 127.5 / 128),
        "facenet_casia": (-127.5 / 128, 127.5 / 128),
        "tinyfar_a": (-1, 1),
        "mbf": (-1, 1),
    }.items():
        found = architectures.ARCHITECTURES[name].adapt(image)
        assert found.shape == (1, 1, 2, 3), name
        np.testing.assert_allclose(found[0, 0, :, 0], [low, high], rtol=1e-6, err_msg=name)
    red = architectures.ARCHITECTURES["tinynet_a"].adapt(image)[0, 0, :, 0]
    np.testing.assert_allclose(red, [-0.485 / 0.229, (1 - 0.485) / 0.229], rtol=1e-6)


def test_every_embedder_has_its_published_weights():
    ours = {"vgg", "tinyfar"}
    assert set(architectures.names("embedder")) - ours < published.WEIGHTS.keys()
    assert architectures.ARCHITECTURES["iresnet100_mxnet"].embedder().epsilon == 2e-5
