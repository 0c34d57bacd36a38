"""Teachers of published weights: their maps are torch's, input preprocessing included.

The numbers are those of golden/make_perceptual.py.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import perceptual_draws as draws

from fsketch.convert import files
from fsketch.frozen import architectures, registry, teachers
from fsketch.nets import squeezenet, vgg

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/perceptual.json").read_text())
TEACHERS = architectures.names("maps")
PUBLISHED = ("vgg19", "vgg16", "vgg_face", "squeezenet_v1.0", "squeezenet_v1.1")


def write(path, name, params):
    files.write(str(path), params, net=name, source="file", sha256="0")
    return str(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Converted weights of SqueezeNet 1.1."""
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    return write(path, "squeezenet_v1.1", draws.converted("squeezenet_v1.1"))


def test_the_nets_are_those_of_the_golden_numbers():
    # Their maps: nets/face_nets_test.py, convert/face_files_test.py; VGG is compared above.
    others = {"facenet_casia", "facenet_vggface2", "sface", "vgg16_hed"}
    assert set(TEACHERS) == {"vgg", *PUBLISHED, *others}


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_maps_equal_torch_s(name):
    golden = GOLDEN[name]["taps"]
    architecture = architectures.ARCHITECTURES[name]
    net, params = architecture.maps(), draws.converted(name)

    @jax.jit
    def maps(params, image):
        found = net.apply({"params": params}, architecture.adapt(image))
        return {tap: found[tap] for tap in golden}

    image = draws.images()[0].astype(np.float32) / 127.5 - 1
    found = draws.summary(maps(params, image))
    assert set(architecture.taps) < set(golden)
    for tap, expected in golden.items():
        assert found[tap]["shape"] == expected["shape"], tap
        for quantity in ("mean", "max", "values"):
            np.testing.assert_allclose(
                found[tap][quantity], expected[quantity],
                rtol=0, atol=1e-4 * expected["max"], err_msg=f"{tap}/{quantity}",
            )  # fmt: skip


def test_the_adaptations_by_hand():
    """Of pure red: RGB or BGR, 0..255 or standard scores."""
    red = jnp.asarray([[[[1.0, -1.0, -1.0]]]])
    caffe = [0 - 104, 0 - 117, 255 - 123]
    imagenet = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    facenet = [127.5 / 128, -127.5 / 128, -127.5 / 128]
    expected = {
        "vgg": [1, -1, -1],
        "vgg19": imagenet,
        "vgg16": imagenet,
        "vgg_face": [255 - 129.1863, 0 - 104.7624, 0 - 93.5940],
        "squeezenet_v1.0": caffe,
        "squeezenet_v1.1": imagenet,
        "facenet_vggface2": facenet,
        "facenet_casia": facenet,
        "sface": facenet,
        "vgg16_hed": [0 - 104.00699, 0 - 116.66877, 255 - 122.67892],
    }
    for name in TEACHERS:
        adapt = architectures.ARCHITECTURES[name].adapt
        np.testing.assert_allclose(adapt(red)[0, 0, 0], expected[name], rtol=1e-6)
        grey = jnp.linspace(-1, 1, 12).reshape(1, 3, 4, 1)
        np.testing.assert_array_equal(adapt(grey), adapt(jnp.repeat(grey, 3, -1)))


def pairs(count, size=32):
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield {
            "photo": jnp.asarray(rng.uniform(-1, 1, (1, size, size, 3)), jnp.float32),
            "sketch": jnp.asarray(rng.uniform(-1, 1, (1, size, size, 1)), jnp.float32),
        }


@pytest.mark.parametrize("domains", [("photo", "sketch"), ("sketch",)])
def test_constants_are_measured_on_the_images_that_the_teacher_will_see(domains, small):
    taps = ("fire2", "fire5", "conv1")
    frozen = teachers.calibrate(teachers.load(small, taps=taps, domains=domains), pairs(2))
    net = squeezenet.SqueezeNet("1.1")
    adapt = architectures.ARCHITECTURES["squeezenet_v1.1"].adapt
    params = draws.converted("squeezenet_v1.1")
    all_maps = jax.jit(lambda image: net.apply({"params": params}, adapt(image)))
    maps = [all_maps(pair[domain]) for pair in pairs(2) for domain in domains]
    expected = [np.sqrt(np.mean([jnp.square(m[tap]).mean() for m in maps])) for tap in taps]
    np.testing.assert_allclose(frozen.variables["constants"]["rms"], expected, rtol=1e-5)
    spec = json.loads(frozen.spec)
    assert spec["net"] == "squeezenet_v1.1" and spec["taps"] == list(taps)
    again = registry.build(frozen.spec, frozen.variables)
    assert spec["domains"] == list(domains)
    assert jax.tree.structure(again) == jax.tree.structure(frozen)  # compiled once for both


@pytest.mark.parametrize(
    "taps", [("conv1", "fire3", "relu3_3"), ("conv1", "fire3"), ("conv1", "fire3", "logits")]
)
def test_unknown_taps_are_refused_with_the_known_ones(taps, small):
    with pytest.raises(ValueError, match=r"taps: expected 3 of \['conv1', .*'fire9'\], got"):
        teachers.calibrate(teachers.load(small, taps=taps), pairs(1))


@pytest.mark.parametrize(("name", "tap"), [("vgg19", "conv5_4"), ("squeezenet_v1.1", "fire9")])
def test_a_perceptual_net_is_seen_by_its_last_map_before_the_last_relu(name, tap, tmp_path):
    params = draws.converted(name)
    path = write(tmp_path / "x.safetensors", name, params)
    frozen = registry.load("maps", path, taps=("",))
    image = jnp.asarray(draws.images()[0], jnp.float32) / 127.5 - 1
    maps = jax.jit(lambda image: frozen(image))(image)
    assert list(maps) == [tap]
    found = maps[tap]
    # Its positive part is the map of the golden numbers; that of VGG has a negative one, too.
    golden = GOLDEN[name]["taps"][tap.replace("conv", "relu")]
    after = draws.summary({tap: np.maximum(found, 0)})[tap]
    for quantity in ("mean", "max", "values"):
        np.testing.assert_allclose(after[quantity], golden[quantity], atol=1e-4 * golden["max"])
    assert (float(found.min()) < 0) == (name == "vgg19")
    again = registry.build(frozen.spec, frozen.variables)
    assert jax.tree.structure(again) == jax.tree.structure(frozen)
    with pytest.raises(ValueError, match=r"taps: expected 1 of \['conv1.*got \('logits',\)"):
        jax.eval_shape(registry.load("maps", path, taps=("logits",)), image)


def test_unusable_files_are_refused(tmp_path):
    params = draws.converted("squeezenet_v1.1")
    for name, message in (
        ("squeezenet_v1.0", "its arrays are not those of the net"),
        ("alexnet", r"expected .*\['facenet_casia', .*'vgg_face'\], got those of 'alexnet'"),
        ("vgg", r"expected .*, got those of 'vgg'"),
    ):
        with pytest.raises(ValueError, match=rf"x\.safetensors: {message}"):
            teachers.load(write(tmp_path / "x.safetensors", name, params))
    params["conv1"]["bias"] = np.full(64, np.inf, np.float32)
    path = write(tmp_path / "x.safetensors", "squeezenet_v1.1", params)
    with pytest.raises(ValueError, match=r"x\.safetensors: not finite: conv1/bias"):
        teachers.load(path)


def test_teacher_divides_by_its_constants():
    net = vgg.VGG(widths=(2, 2, 2), depths=(1, 1, 1))
    taught = teachers.Teacher(net, ("relu1_1", "relu2_1", "relu3_1"))
    image = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
    variables = taught.init(jax.random.key(1), image)
    once = taught.apply(variables, image)
    halved = taught.apply({**variables, "constants": {"rms": jnp.array([2.0, 4.0, 8.0])}}, image)
    for name, factor in zip(teachers.NAMES, (2, 4, 8), strict=True):
        assert jnp.allclose(halved[name] * factor, once[name])


def test_unknown_taps_are_refused_by_name():
    net = teachers.Teacher(vgg.VGG(widths=(2,), depths=(1,)), ("relu1_1", "relu9_9", "relu1_1"))
    with pytest.raises(ValueError, match=r"relu9_9.*relu1_1"):
        net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
