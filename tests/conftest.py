"""What holds for every test, most of it set before jax starts.

There are eight simulated devices, and compilation is quick: tests that compare with reference
values or time something opt out with `full_optimization`.  The home folder and with it all caches
are new and empty, the current folder is a new one for each module, and processes that tests start
find the repository by PYTHONPATH: nothing that lies in the clone or with the user changes a result.
"""

import atexit
import contextlib
import os
import pathlib
import shutil
import tempfile
import types
from importlib import metadata

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit this environment, and share its home
    _root, _home = str(pathlib.Path(__file__).parents[1]), tempfile.mkdtemp(prefix="fsketch-home-")
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    for _name in ("XDG_CACHE_HOME", "TFDS_DATA_DIR", "JAX_COMPILATION_CACHE_DIR"):
        os.environ.pop(_name, None)  # all lie in the home folder by default
    os.environ |= {
        "HOME": _home,
        "PYTHONPATH": os.pathsep.join(filter(None, [_root, os.environ.get("PYTHONPATH")])),
        # The repository may be somebody else's, which git asks the home folder about.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": _root,
    }

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
).strip()
# The older emitter's loops take less than half as long to compile.  An unknown flag aborts the
# process: it is set for versions that are known to accept it.
if metadata.version("jaxlib").split(".")[:2] in (["0", "7"], ["0", "10"]):
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import EpsImagePlugin, Image

from fsketch import methods, prediction, restore, train
from fsketch.configs import embedder, kd, shared
from fsketch.convert import files
from fsketch.core import checkpoint
from fsketch.data import augment
from fsketch.data.synthetic import procedural
from fsketch.nets import convolution, squeezenet
from fsketch.zoo import entries

jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory, worker_id):
    """One cache for the whole session: many tests compile the same tiny programs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


@pytest.fixture(scope="module", autouse=True)
def new_folder(tmp_path_factory):
    """The current folder of a module's tests."""
    with contextlib.chdir(tmp_path_factory.mktemp("here")):
        yield


@pytest.fixture(scope="module", autouse=True)
def memory_of_programs():
    """Forgets a module's compiled programs at its end: all of them together take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture
def eps(monkeypatch):
    """A function that writes an EPS file under any name; a test fails if a program is started."""

    def start(*arguments, **options):
        pytest.fail(f"a program was started: {arguments}")

    def write(path: pathlib.Path) -> pathlib.Path:
        Image.new("RGB", (24, 30)).save(path, "EPS")
        for name in ("Popen", "run", "call", "check_call"):
            monkeypatch.setattr(subprocess, name, start)
        monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
        return path

    return write


@pytest.fixture
def full_optimization():
    """Compiles as programs do."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def plain_convolutions():
    """Convolutions are lax's own, since they compile sooner."""
    with convolution.plain():
        yield


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real pairs and weights beside the repository; skips where it is absent."""
    folder = pathlib.Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/data with real pairs beside the repository")
    return folder


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory) -> pathlib.Path:
    """photos/, sketches/ and pairs.csv of 14 drawn pairs of 24 x 30 px (8, 2, 4 a split)."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    rows = ["id,photo,sketch,split,identity"]
    y, x = np.mgrid[:30, :24]
    for i in range(14):
        blob = np.exp(-((x - rng.uniform(6, 18)) ** 2 + (y - rng.uniform(8, 22)) ** 2) / 40)
        photo = (blob[..., None] * rng.uniform(100, 250, 3)).astype(np.uint8)
        sketch = (255 - 200 * blob).astype(np.uint8)
        for kind, image in (("photos", photo), ("sketches", sketch)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / kind / f"f{i:02d}.png")
        split = "train" if i < 8 else "validation" if i < 10 else "test"
        rows.append(f"f{i:02d},photos/f{i:02d}.png,sketches/f{i:02d}.png,{split},{i // 2}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory) -> str:
    """Converted weights of a SqueezeNet with random numbers, as a teacher of another shape."""
    path = str(tmp_path_factory.mktemp("teacher") / "random.safetensors")
    variables = jax.jit(squeezenet.SqueezeNet().init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    params = jax.device_get(variables["params"])
    files.write(path, params, net="squeezenet_v1.0", source="drawn at random", sha256="-")
    return path


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory) -> str:
    """The workdir of an embedder of 32 px that was not trained."""
    workdir = tmp_path_factory.mktemp("embedder")
    config = embedder.tiny()
    method = methods.create(config)
    host = jax.device_get(jax.jit(method.init)(jax.random.key(7), {}, {}))
    places = checkpoint.open_workdir(workdir, keep=1)
    checkpoint.save(places.latest, 0, host, restore.meta_data(config, step=0))
    places.wait()
    places.close()
    return str(workdir)


@pytest.fixture(scope="session")
def trained_kd(tiny, tmp_path_factory) -> pathlib.Path:
    """The workdir of a tiny KD after two steps, evaluated; to be read or copied."""
    workdir = tmp_path_factory.mktemp("trained") / "kd"
    with convolution.plain():
        train.train(tiny(kd), workdir)
    return workdir


@pytest.fixture
def quick_faces(monkeypatch):
    """Faces of three blobs in place of drawn ones, whose program takes long to compile."""

    def photo(identity, view, *, height_px, width_px, window=None):
        del window
        y, x = jnp.mgrid[:height_px, :width_px] / height_px
        places = jax.nn.sigmoid(identity[:6]).reshape(3, 2)
        blobs = [jnp.exp(-20 * ((y - v) ** 2 + (x - u) ** 2)) for v, u in places]
        return jnp.tanh(jnp.stack(blobs, -1) * (1 + identity[6:9]) + 0.3 * view[0])

    monkeypatch.setattr(procedural, "render_photo", photo)


@pytest.fixture(scope="session")
def tiny(pairs_folder, tmp_path_factory, tiny_teacher, tiny_embedder):
    """A function: experiment module -> its tiny configuration on the drawn pairs."""

    def make(experiment) -> ConfigDict:
        config = experiment.tiny()
        teachers = [config[role] for role in shared.FROZEN if role in config]
        for part in [config] + [teacher.config for teacher in teachers]:
            part.data.name = "paired_folder"
            part.data.manual_dir = str(pairs_folder)
            part.data.data_dir = str(tmp_path_factory.getbasetemp() / "prepared")
            part.batch_size = part.eval_batch_size = 8
        for teacher in teachers:
            teacher.path = tiny_teacher
        if "face" in config:
            config.face.taps = ("fire4",)  # of the tiny teacher's net
        if "embedder" in config:
            config.embedder.path = tiny_embedder
        return config

    return make


@pytest.fixture(scope="session")
def leave():
    """A function: configuration, workdir -> the workdir as a run leaves it.

    Its nets are random; with kernels of `gain` times the usual size their outputs have contrast.
    Without biases an even image would leave nothing but rounding errors, which norms enlarge.
    """

    def make(config: ConfigDict, workdir: pathlib.Path, *, gain: float = 4) -> pathlib.Path:
        def moved(path, leaf):
            if leaf.ndim == 4:
                return gain * leaf
            if leaf.ndim == 2 and prediction.styles(config):  # the shifts of styles
                return leaf + rng.standard_normal(leaf.shape).astype(leaf.dtype)
            return leaf + 0.2 if getattr(path[-1], "key", "") == "bias" else leaf

        rng, crop = np.random.default_rng(0), config.data.crop_px
        shapes = {"photo": (1, crop, crop, 3), "sketch": (1, crop, crop, 1)}
        pair = {
            kind: jnp.asarray(rng.integers(0, 256, shape), jnp.uint8)
            for kind, shape in shapes.items()
        }
        method = methods.create(config)
        frozen = method.freeze([augment.scale(pair)])
        canvases = types.SimpleNamespace(channels={"photo": 3, "sketch": 1})
        start = prediction.initial_state(method, frozen, config, canvases)
        start = jax.tree_util.tree_map_with_path(moved, start)
        checkpoints = checkpoint.open_workdir(workdir, keep=1)
        meta = restore.meta_data(config, step=0, frozen=frozen)
        checkpoint.save(checkpoints.latest, 0, start, meta)
        if frozen:
            variables = {role: net.variables for role, net in frozen.items()}
            specs = {role: net.spec for role, net in frozen.items()}
            checkpoint.save(checkpoints.frozen, 0, jax.device_get(variables), {"specs": specs})
        checkpoints.wait()
        checkpoints.close()
        return workdir

    return make


@pytest.fixture(scope="session")
def kd_run(tiny, leave, tmp_path_factory) -> pathlib.Path:
    """The workdir of an untrained KD run."""
    return leave(tiny(kd), tmp_path_factory.mktemp("kd"))


@pytest.fixture(scope="session")
def zoo(kd_run, tmp_path_factory) -> pathlib.Path:
    """A folder of its two models, "tiny-photo" and "tiny-sketch"."""
    folder = tmp_path_factory.mktemp("zoo")
    told = {"training_data": "drawn pairs", "terms": "none"}
    with convolution.plain():
        for direction in ("to_sketch", "to_photo"):
            name = f"tiny-{direction.removeprefix('to_')}"
            entries.write_entry(kd_run, direction, name, folder, **told)
    return folder


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
