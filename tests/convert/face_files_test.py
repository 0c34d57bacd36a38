"""Face nets from other files than torch's state dicts: ONNX, NVIDIA's pickles, another port."""

import hashlib
import pathlib
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from golden import embedder_draws as draws
from jax import lax

from fsketch.convert import (
    face_tables,
    files,
    nvidia_pickle,
    onnx_weights,
    program,
    published,
    tables,
)
from fsketch.core import trees
from fsketch.frozen import architectures
from fsketch.nets import iresnet, mtcnn, sface, stylegan2

pytestmark = pytest.mark.usefixtures("full_optimization")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
DEPTHS = (1, 1, 1, 1)  # of iresnet_tiny.onnx


def table_of(net, shape, rename):
    """(table, shapes) of a net's variables."""
    abstract = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros(shape))
    shapes = {name: leaf.shape for name, leaf in trees.flatten(abstract).items()}
    return face_tables.by_module(lambda: shapes, rename), shapes


@pytest.fixture
def onnx():
    """The package, which the extra "onnx" brings."""
    return pytest.importorskip("onnx", reason="the package onnx is not installed")


def test_torch_s_export_with_folded_normalisations(onnx, monkeypatch):
    arrays = files.read_arrays(str(GOLDEN / "iresnet_tiny.onnx"))
    layers = lambda: face_tables.iresnet_layers(DEPTHS)  # noqa: E731
    state = face_tables.state_dict_of_onnx(layers, iresnet.EPSILON)(arrays)
    monkeypatch.setattr(iresnet, "WIDTHS", (4, 4, 4, 4))
    net = iresnet.IResNet(DEPTHS, embedding_size=8, size_px=32)
    table, shapes = table_of(net, (1, 32, 32, 3), face_tables.numbered)
    variables = traverse_util.unflatten_dict(tables.apply(table, state, shapes), sep="/")
    with np.load(GOLDEN / "embedders.npz") as archive:
        expected = archive["iresnet_tiny"]
    found = jax.jit(net.apply)(variables, draws.images(32))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("is_folded", [True, False])
def test_layers_of_insightface_s_mobilefacenet_are_all_named(is_folded):
    """An export's operations, written down in order, become the published state dict's keys."""
    arrays, counts = {}, {}
    ends = ("weight", "bias", "running_mean", "running_var")

    def add(operation, names):
        n = counts[operation] = counts.get(operation, -1) + 1
        arrays.update({f"{operation}.{n}.{end}": np.ones(2, np.float32) for end in names})

    for operation, _, *norm in face_tables.mbf_layers():
        names = {"Conv": ends[:1], "Gemm": ends[:1], "PRelu": ends[:1]}.get(operation, ends)
        add(operation, ("weight", "bias") if norm and is_folded else names)
        if norm and not is_folded:
            add("BatchNormalization", ends)
    convert = face_tables.state_dict_of_onnx(face_tables.mbf_layers, 1e-5)
    with np.load(GOLDEN / "embedders.npz") as archive:
        lines = archive["mbf/shapes"].tobytes().decode().splitlines()
    keys = {line.split(" ")[0] for line in lines}
    assert convert(arrays).keys() == {k for k in keys if not k.endswith("num_batches_tracked")}


def model(onnx, *nodes, **constants):
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 4, 4])
    end = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    tensors = [
        onnx.numpy_helper.from_array(np.asarray(array, np.float32), name)
        for name, array in constants.items()
    ]
    graph = helper.make_graph(list(nodes), "g", [value], [end], tensors)
    return helper.make_model(graph)


def test_matrices_arrive_as_torch_has_them(onnx, tmp_path):
    make = onnx.helper.make_node
    w = np.arange(6).reshape(2, 3)
    nodes = [
        make("MatMul", ["x", "w"], ["a"]),
        make("Gemm", ["a", "w", "b"], ["c"], transB=0),
        make("Identity", ["wt"], ["same"]),
        make("Gemm", ["c", "same"], ["d"], transB=1),
        make("MatMul", ["d", "w"], ["e"]),
        make("Add", ["e", "b"], ["y"]),
    ]
    onnx.save(model(onnx, *nodes, w=w, b=[1, 2, 3], wt=w.T), tmp_path / "m.onnx")
    arrays = onnx_weights.read(str(tmp_path / "m.onnx"))
    weights = {f"Gemm.{n}.weight" for n in range(4)}
    assert arrays.keys() == weights | {"Gemm.1.bias", "Gemm.3.bias"}
    np.testing.assert_array_equal(arrays["Gemm.3.bias"], [1, 2, 3])
    for n in range(4):
        np.testing.assert_array_equal(arrays[f"Gemm.{n}.weight"], w.T)


def sface_in_8_bits(onnx, units):
    """SFace with drawn weights, as OpenCV's model zoo writes it: blocks of int8 with a scale."""
    rng, make, stored, nodes = np.random.default_rng(0), onnx.helper.make_node, {}, []

    def quantised(name, shape):
        rows, columns = shape[0], int(np.prod(shape[1:]))
        stored[f"{name}_q"] = rng.integers(-128, 128, (rows, columns), np.int8)
        block = max(n for n in range(1, 65) if columns % n == 0)
        spread = 1 / np.sqrt(columns) / 74
        stored[f"{name}_s"] = rng.uniform(0.5, 1.5, (rows, columns // block)) * spread
        stored[f"{name}_z"] = rng.integers(-9, 9, (rows, columns // block), np.int8)
        stored[f"{name}_shape"] = np.asarray(shape, np.int64)
        parts = [f"{name}_{end}" for end in "qsz"]
        nodes.append(make("DequantizeLinear", parts, [f"{name}_d"], axis=1, block_size=block))
        nodes.append(make("Reshape", [f"{name}_d", f"{name}_shape"], [name]))

    def norm(x, name, width, epsilon):
        ends = [f"{name}_{end}" for end in ("gamma", "beta", "mean", "var")]
        for end in ends:
            stored[end] = rng.uniform(0.5, 1.5, width)
        nodes.append(make("BatchNormalization", [x, *ends], [name], epsilon=epsilon))
        return name

    def unit(x, name, width, inputs, size, stride=1, groups=1):
        quantised(f"{name}_w", (width, inputs // groups, size, size))
        pads, strides = [size // 2] * 4, [stride, stride]
        options = {"pads": pads, "strides": strides, "group": groups}
        nodes.append(make("Conv", [x, f"{name}_w"], [f"{name}_y"], **options))
        stored[f"{name}_slope"] = rng.uniform(-0.3, 0.3, (width, 1, 1))
        x = norm(f"{name}_y", f"{name}_n", width, 1e-3)
        nodes.append(make("PRelu", [x, f"{name}_slope"], [name]))
        return name

    stored |= {"mean": [127.5], "factor": [1 / 128], "rate": 0.5}
    nodes += [make("Sub", ["x", "mean"], ["c"]), make("Mul", ["c", "factor"], ["u"])]
    x, channels = unit("u", "u1", 32, 3, 3), 32
    for n, (width, stride) in enumerate(units, 2):
        x = unit(x, f"d{n}", channels, channels, 3, stride, channels)
        x, channels = unit(x, f"u{n}", width, channels, 1), width
    x = norm(x, "bn", channels, 2e-5)
    quantised("fc_w", (128, 49 * channels))
    stored["fc_b"] = rng.normal(size=128)
    nodes += [make("Dropout", [x, "rate"], ["dr"]), make("Flatten", ["dr"], ["f"])]
    nodes += [make("Gemm", ["f", "fc_w", "fc_b"], ["e"], transB=1)]
    norm("e", "y", 128, 2e-5)
    arrays = {k: np.asarray(a) for k, a in stored.items()}
    arrays = {k: a if a.dtype.kind == "i" else a.astype(np.float32) for k, a in arrays.items()}
    kind = onnx.TensorProto.FLOAT
    ends = [("x", [1, 3, 112, 112]), ("y", None)]
    given, result = (onnx.helper.make_tensor_value_info(n, kind, shape) for n, shape in ends)
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = onnx.helper.make_graph(nodes, "g", [given], [result], tensors)
    opset = [onnx.helper.make_opsetid("", 21)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)


def test_weights_in_8_bits_embed_as_in_onnxruntime(onnx, tmp_path, monkeypatch):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    units = ((8, 2), (16, 2), (16, 2), (8, 2))
    monkeypatch.setattr(sface, "UNITS", units)
    onnx.save(sface_in_8_bits(onnx, units), tmp_path / "m.onnx")
    pixels = np.random.default_rng(1).integers(0, 256, (1, 112, 112, 3)).astype(np.float32)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    (expected,) = session.run(None, {"x": pixels.transpose(0, 3, 1, 2)})

    arrays = face_tables.without_input_scale(127.5, 1 / 128)(
        files.read_arrays(str(tmp_path / "m.onnx"))
    )
    head = {"bn": 2e-5, "features": 2e-5}
    layers = lambda: face_tables.sface_layers(5)  # noqa: E731
    state = face_tables.state_dict_of_onnx(layers, 1e-3, others=head)(arrays)
    table, shapes = table_of(sface.SFace(), (1, 112, 112, 3), face_tables.dotted)
    variables = traverse_util.unflatten_dict(tables.apply(table, state, shapes), sep="/")
    adapted = architectures.ARCHITECTURES["sface"].adapt(pixels / 127.5 - 1)
    found = jax.jit(sface.SFace().apply)(variables, adapted)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    with pytest.raises(ValueError, match=r"Sub\.0\.weight: expected 127\.0, got \[127\.5"):
        face_tables.without_input_scale(127.0, 1 / 128)({"Sub.0.weight": np.asarray([127.5])})


def test_onnx_files_that_compute_with_other_arrays_are_refused(onnx, tmp_path):
    make = onnx.helper.make_node
    cases = {
        "expected arrays in .*, got m in Sub": [make("Sub", ["x", "m"], ["y"])],
        r"PRelu.0: expected a stored weight, got a computed one \(s\)": [
            make("Exp", ["x"], ["s"]),
            make("PRelu", ["x", "s"], ["y"]),
        ],
        "expected layers with weights .*, got none": [make("Relu", ["x"], ["y"])],
    }
    for message, nodes in cases.items():
        onnx.save(model(onnx, *nodes, m=[1.0, 2.0]), tmp_path / "m.onnx")
        with pytest.raises(ValueError, match=rf"m\.onnx: {message}"):
            onnx_weights.read(str(tmp_path / "m.onnx"))
    (tmp_path / "m.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"m\.onnx: expected a whole ONNX file, got"):
        onnx_weights.read(str(tmp_path / "m.onnx"))


def test_without_onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"pip install 'fsketch\[onnx\]'"):
        onnx_weights.read("m.onnx")


def test_another_epsilon_is_refused():
    arrays = {"Conv.0.weight": np.ones(1), "BatchNormalization.0.epsilon": np.float32(2e-5)}
    layers = lambda: [("Conv", "conv1", "bn1")]  # noqa: E731
    with pytest.raises(ValueError, match="expected epsilon 1e-05, got 2e-05"):
        face_tables.state_dict_of_onnx(layers, 1e-5)(arrays)


def mtcnn_arrays():
    """Drawn arrays of the three files, as `onnx_weights` reads them."""
    rng = np.random.default_rng(0)
    shapes, arrays = published.WEIGHTS["mtcnn"].shapes(), {"pnet": {}, "rnet": {}, "onet": {}}
    for ours, (key, axes) in face_tables.mtcnn().items():
        shape = np.take(shapes[ours], np.argsort(axes)) if axes else shapes[ours]
        file, name = key.split("/")
        arrays[file][name] = rng.normal(0, 0.2, shape).astype(np.float16).astype(np.float32)
    return arrays


def test_mtcnn_of_swapped_rows_and_columns(tmp_path):
    """Our second net on an image gives what the published graph gives on the swapped one."""
    arrays = mtcnn_arrays()
    names = [str(tmp_path / f"{name}.npz") for name in arrays]
    for path, content in zip(names, arrays.values(), strict=True):
        np.savez(path, **content)
    out = str(tmp_path / "out.safetensors")
    assert program.main(["mtcnn", *names, out]) == 0
    digests = [hashlib.sha256(pathlib.Path(name).read_bytes()).hexdigest() for name in names]
    assert files.source_sha256(out) == " ".join(digests)
    net, tree = files.read(out)
    assert net == "mtcnn" and all(leaf.dtype == np.float16 for leaf in jax.tree.leaves(tree))

    image = np.random.default_rng(1).normal(size=(2, 24, 24, 3)).astype(np.float32)
    a = arrays["rnet"]
    x = jnp.asarray(image.transpose(0, 3, 2, 1))  # N x C x W x H
    for n, pad in enumerate(["SAME", "VALID", None]):
        x = lax.conv(x, a[f"Conv.{n}.weight"], (1, 1), "VALID")
        x = x + a[f"Conv.{n}.bias"][:, None, None]
        x = jnp.where(x < 0, a[f"PRelu.{n}.weight"][:, None, None] * x, x)
        if pad:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pad)
    x = x.transpose(0, 2, 3, 1).reshape(2, -1) @ a["Gemm.0.weight"].T + a["Gemm.0.bias"]
    x = jnp.where(x < 0, a["PRelu.3.weight"] * x, x)
    box, score = (x @ a[f"Gemm.{n}.weight"].T + a[f"Gemm.{n}.bias"] for n in (1, 2))
    found = mtcnn.Refinement().apply({"params": tree["refinement"]}, image)
    np.testing.assert_allclose(found[0], jax.nn.softmax(score)[:, 1], atol=1e-4)
    np.testing.assert_allclose(found[1], box, rtol=1e-3, atol=1e-2)


TINY = (8, 16, 2, 2, 1)  # of stylegan2_tiny.pkl


def test_nvidia_s_pickle_gives_the_averaged_generator():
    arrays = files.read_arrays(str(GOLDEN / "stylegan2_tiny.pkl"))
    shapes = draws.stylegan2_shapes(*TINY)
    assert arrays.keys() == shapes.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, draws.weight(key, shapes[key]), err_msg=key)


class Call:
    """An object whose pickle calls a function when it is read."""

    def __reduce__(self):
        return pathlib.Path.mkdir, (pathlib.Path("made_by_a_weights_file"),)


def test_nothing_in_a_pickle_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps({"G_ema": Call(), "D": [Call(), {1: Call()}]}))
    with pytest.raises(ValueError, match=r"net\.pkl: expected NVIDIA's pickle"):
        nvidia_pickle.read(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["net.pkl"]


@pytest.mark.parametrize("share", [0.4, 0.95])
def test_truncated_pickles_are_refused(share, tmp_path):
    data = (GOLDEN / "stylegan2_tiny.pkl").read_bytes()
    path = tmp_path / "net.pkl"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"net\.pkl: truncated or damaged"):
        nvidia_pickle.read(str(path))


def test_other_filters_are_refused():
    state = {"synthesis.b8.resample_filter": np.ones((4, 4)) / 16}
    with pytest.raises(ValueError, match=r"b8\.resample_filter: expected the filter"):
        face_tables.stylegan2_state_dict(state)


ROSINALITY = {  # of a generator of 16 px, written down by hand
    "input.input": "synthesis.b4.const",
    "latent_avg": "mapping.w_avg",
    "style.1": "mapping.fc0",
    "style.2": "mapping.fc1",
    "conv1": "synthesis.b4.conv1",
    "convs.0": "synthesis.b8.conv0",
    "convs.1": "synthesis.b8.conv1",
    "convs.2": "synthesis.b16.conv0",
    "convs.3": "synthesis.b16.conv1",
    "to_rgb1": "synthesis.b4.torgb",
    "to_rgbs.0": "synthesis.b8.torgb",
    "to_rgbs.1": "synthesis.b16.torgb",
    "noises.noise_0": "synthesis.b4.conv1.noise_const",
    "noises.noise_1": "synthesis.b8.conv0.noise_const",
    "noises.noise_2": "synthesis.b8.conv1.noise_const",
    "noises.noise_3": "synthesis.b16.conv0.noise_const",
    "noises.noise_4": "synthesis.b16.conv1.noise_const",
}


def rosinality(official):
    """That port's state dict of the official one."""
    result = {}
    for theirs, ours in ROSINALITY.items():
        if theirs.startswith(("style", "noises", "latent", "input")):
            for key, array in official.items():
                if key == ours or key.rsplit(".", 1)[0] == ours:
                    array = array[None, None] if "noises" in theirs else array
                    array = array[None] if "input" in theirs else array
                    result[theirs + key[len(ours) :]] = array
            continue
        result[f"{theirs}.conv.weight"] = official[f"{ours}.weight"][None]
        for end in ("weight", "bias"):
            result[f"{theirs}.conv.modulation.{end}"] = official[f"{ours}.affine.{end}"]
        bias = official[f"{ours}.bias"]
        if "rgb" in theirs:
            result[f"{theirs}.bias"] = bias.reshape(1, 3, 1, 1)
        else:
            result[f"{theirs}.activate.bias"] = bias
            result[f"{theirs}.noise.weight"] = official[f"{ours}.noise_strength"].reshape(1)
    result["convs.0.conv.blur.kernel"] = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
    return result


def test_rosinality_s_names_become_the_official_ones():
    shapes = draws.stylegan2_shapes(16, 64, 8, 8, 2)
    official = {key: draws.weight(key, shape) for key, shape in shapes.items()}
    official = face_tables.stylegan2_state_dict(official)
    port = rosinality(official)
    found = face_tables.state_dict_of_rosinality(port)
    assert found.keys() == official.keys()
    for key, array in official.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)
    port["convs.0.conv.blur.kernel"] = np.ones((4, 4))
    with pytest.raises(ValueError, match=r"blur\.kernel: expected the filter"):
        face_tables.state_dict_of_rosinality(port)


def test_a_missing_mean_latent_is_computed():
    shapes = draws.stylegan2_shapes(4, 64, 8, 8, 2)
    official = {key: draws.weight(key, shape) for key, shape in shapes.items()}
    ends = ("weight", "bias")
    port = {
        "input.input": official["synthesis.b4.const"][None],
        **{f"style.{i + 1}.{e}": official[f"mapping.fc{i}.{e}"] for i in (0, 1) for e in ends},
    }
    found = face_tables.state_dict_of_rosinality(port)["mapping.w_avg"]
    net = stylegan2.Generator(4, 64, 8, width=8, depth=2)
    table, shapes = table_of(net, (1, 8), face_tables.dotted)
    flat = tables.apply(table, face_tables.stylegan2_state_dict(official), shapes)
    z = np.random.default_rng(1).normal(size=(4096, 8)).astype(np.float32)  # another draw
    w = net.apply(traverse_util.unflatten_dict(flat, sep="/"), z, method="latents")
    np.testing.assert_allclose(found, w.mean(0), atol=0.05 * float(w.std()))
