"""SynthDistill: a step against the algorithm written out, its variants, its loop without data."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from fsketch import methods, train
from fsketch.configs import synthdistill
from fsketch.core import checkpoint, trees
from fsketch.data import sources
from fsketch.frozen import registry
from fsketch.methods import drawn
from fsketch.scoring import face_crops

pytestmark = pytest.mark.usefixtures("quick_faces", "plain_convolutions")


@pytest.fixture
def config(tiny_embedder):
    """Tiny, on drawn faces, with the learning rate halved after each step."""
    config = synthdistill.tiny()
    with config.unlocked():
        config.embedder.path = tiny_embedder
        config.batch_size = config.eval_batch_size = 8
        config.num_samples = 0
        config.optim.halve_at = (2, 4)
    return config


def one_step(config, train_state, frozen, keys):
    """The method's step on one device."""
    step = jax.pmap(
        methods.create(config).train_step, axis_name="device", devices=jax.devices()[:1]
    )
    alone = lambda tree: jax.tree.map(lambda x: x[None], tree)  # noqa: E731
    after, scalars = step(alone(train_state), alone(frozen), {}, keys[None])
    return jax.device_get(jax.tree.map(lambda x: x[0], (after, scalars)))


def written_out(config, train_state, frozen, keys):
    """(parameters, scalars) after the two updates, each line as the paper's algorithm has it."""
    teacher, generator = frozen["teacher"], frozen["generator"]
    latent, face, new_latent, new_face = drawn.split(keys, 4)
    student = train_state["student"]
    params, scalars = student.params, {}
    adam = optax.scale_by_adam(0.9, 0.999, 1e-8)
    moments = adam.init(params)

    def images(w, keys):
        return generator.face(w, drawn.split(keys, 2)[0], size_px=32)

    def mse(params, w, keys):
        embedding = student.net.apply({"params": params}, images(w, keys))
        return jnp.square(embedding - teacher(images(w, keys))).mean(), embedding

    w = generator.latents(latent)
    for rate, suffix, keys in ((1e-3, "", face), (1e-3, "_again", new_face)):
        (value, embedding), slope = jax.value_and_grad(mse, has_aux=True)(params, w, keys)
        target = teacher(images(w, keys))
        lengths = jnp.linalg.norm(embedding, axis=1) * jnp.linalg.norm(target, axis=1)
        cosine = (embedding * target).sum(1) / lengths
        scalars |= {f"student/mse{suffix}": value, f"student/cosine{suffix}": cosine.mean()}
        direction, moments = adam.update(slope, moments)
        params = jax.tree.map(lambda p, d, rate=rate: p - rate * d, params, direction)
        if config.resampling == "none":
            w = generator.latents(new_latent)
        else:
            c = (cosine + 1) / 2 if config.resampling == "dynamic" else 1 + 0 * cosine
            n = jnp.stack([jax.random.normal(key, w.shape[1:]) for key in new_latent])
            w = w + config.resampling_coefficient * c[:, None] * n
    return params, scalars


@pytest.fixture
def start(config):
    method = methods.create(config)
    frozen = method.freeze([])
    return jax.jit(method.init)(jax.random.key(1), frozen, {}), frozen


@pytest.mark.parametrize("argument", ["none", "static", "no_resampling"])
def test_a_step_is_the_algorithm_written_out(argument, config, start, full_optimization):
    with config.unlocked():
        config.resampling = synthdistill.get_config(f"ablation={argument}").resampling
        config.resampling_coefficient = 0.7
    keys = jax.random.split(jax.random.key(2), 4)
    after, scalars = one_step(config, *start, keys)
    params, expected = jax.jit(lambda *a: written_out(config, *a))(*start, keys)
    assert scalars.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(scalars[name], value, rtol=2e-5, err_msg=name)
    moved = trees.flatten(jax.device_get(params))
    for name, array in trees.flatten(after["student"].params).items():
        # A step of Adam is about the learning rate, 1e-3, in each number.
        np.testing.assert_allclose(array, moved[name], atol=2e-6, err_msg=name)
    assert int(after.step) == 1 and int(after["student"].opt_state[0].count) == 2


def test_the_rate_is_halved_after_so_many_steps_of_two_updates(config, start):
    keys = jax.random.split(jax.random.key(2), 4)
    state_, frozen = start
    rates = []
    for _ in range(3):
        before = state_
        state_, _ = one_step(config, state_, frozen, keys)
        # Both updates of a step have one rate; a number whose gradient is 0 in neither moves
        # by no more than a little above the sum of both.
        change = jax.tree.map(lambda a, b: np.abs(a - b).max(), state_["student"].params,
                              before["student"].params)  # fmt: skip
        rates.append(max(jax.tree.leaves(change)))
    assert rates[0] == pytest.approx(2e-3, rel=0.2)
    assert rates[1] < 0.75 * rates[0] and rates[2] < 0.75 * rates[1]


def arrays(tree):
    return trees.flatten(jax.device_get(tree))


def run(config, workdir, **changes):
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.update(changes)
    return train.train(config, workdir)


def test_a_run_reads_no_image_and_resumes_exactly(config, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("a data set was read")

    monkeypatch.setattr(sources, "load", never)
    whole = run(config, tmp_path / "whole", num_steps=2)
    run(config, tmp_path / "parts", num_steps=1)
    parts = run(config, tmp_path / "parts", num_steps=2)
    one, other = arrays(whole), arrays(parts)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    result = json.loads((tmp_path / "whole/evaluation.json").read_text())
    assert result["num_images"] == 8 and result["data"] == "drawn"
    assert set(result["metrics"]) == {
        "mse", "cosine", "student_accuracy", "student_auc", "teacher_accuracy", "teacher_auc",
    }  # fmt: skip
    assert result == json.loads((tmp_path / "parts/evaluation.json").read_text())
    # What it trained is an embedder itself, as its teacher is.
    student = registry.load("embedder", str(tmp_path / "whole"))
    assert face_crops.on_pictures(student)([np.zeros((40, 40, 1), np.uint8)]).shape == (1, 8)
    _, meta = checkpoint.read(tmp_path / "whole", kind="frozen")
    assert set(meta["specs"]) == {"teacher", "generator"}


def test_student_and_teacher_have_to_fit(config, start):
    state_, frozen = start
    del state_
    with config.unlocked():
        config.model.arguments.embedding_size = 4
    with pytest.raises(ValueError, match=r"expected embeddings of 8 numbers, the teacher's, got 4"):
        jax.eval_shape(methods.create(config).init, jax.random.key(0), frozen, {})
    canvas = frozen["teacher"].spec.replace('"face"', '"canvas"')
    frozen = frozen | {"teacher": frozen["teacher"].replace(spec=canvas)}
    with pytest.raises(ValueError, match=r"expected an embedder of 'face', got .* of 'canvas'"):
        jax.eval_shape(methods.create(config).init, jax.random.key(0), frozen, {})
    with config.unlocked():
        config.resampling = "sometimes"
    with pytest.raises(ValueError, match=r"resampling: .*'static'.*got 'sometimes'"):
        methods.create(config)


def test_a_teacher_of_another_side_sees_the_faces_resized(config, start):
    _, frozen = start
    with config.unlocked():
        config.data.canvas_px = config.data.crop_px = 16
    method = methods.create(config)
    photo = jnp.linspace(-1, 1, 2 * 16 * 16 * 3).reshape(2, 16, 16, 3)
    found = method.predict(method.init(jax.random.key(1), frozen, {}), frozen, {"photo": photo})
    rows = [Image.fromarray(np.asarray(face[..., c])) for face in photo for c in range(3)]
    large = [np.asarray(row.resize((32, 32), Image.Resampling.BILINEAR)) for row in rows]
    large = np.stack(large).reshape(2, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found["embedding_teacher"], frozen["teacher"](large), atol=1e-5)
    assert found["embedding_student"].shape == (2, 8)


def test_the_faithful_configuration_is_the_published_one():
    config = synthdistill.get_config("faces=stylegan2")
    # Of the code: 328 104 updates of 128 faces; the rate falls after each 10 of 21 epochs.
    assert 2 * config.num_steps == 328104
    assert config.batch_size == 128 and config.optim.halve_at == (156240, 312480)
    assert config.optim.learning_rate == 1e-3 and config.resampling == "dynamic"
