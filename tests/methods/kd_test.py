"""KD: its terms by their definition, its teacher, its schedule."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods
from fsketch.configs import kd
from fsketch.frozen import teachers
from fsketch.losses import strokes, transfer
from fsketch.methods import optimizers, students

pytestmark = pytest.mark.usefixtures("plain_convolutions")


def batches(count=3, size=32):
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield {
            "photo": jnp.asarray(rng.uniform(-1, 1, (1, size, size, 3)), jnp.float32),
            "sketch": jnp.asarray(rng.uniform(-1, 1, (1, size, size, 1)), jnp.float32),
        }


def test_an_unusable_teacher_is_refused(tiny_teacher):
    raw = teachers.load(tiny_teacher)
    dead = raw.replace(variables=jax.tree.map(jnp.zeros_like, raw.variables))
    dead.variables["constants"] = {"rms": jnp.ones(3)}
    with pytest.raises(ValueError, match="unusable"):
        teachers.calibrate(dead, batches())


def test_students_get_adapters_only_where_shapes_differ(tiny, tiny_teacher):
    config = tiny(kd)
    method = methods.create(config)
    frozen = method.freeze(batches())
    shapes = jax.eval_shape(method.init, jax.random.key(0), frozen, next(batches()))
    params = shapes["student_sketch"].params
    # SqueezeNet's maps have 96, 128, 256 channels, a width-4 student's 4, 8, 16.
    assert {name for name in params if name.startswith("adapt")} == {
        f"adapt_{tap}" for tap in (*transfer.ENCODER, *transfer.DECODER)
    }
    with config.unlocked():
        config.model.width = 96  # then the first tap needs none
    shapes = jax.eval_shape(methods.create(config).init, jax.random.key(0), frozen, next(batches()))
    assert "adapt_in" not in shapes["student_sketch"].params
    assert "adapt_d1" in shapes["student_sketch"].params


def test_texture_sees_strokes_but_not_their_places(tiny_teacher):
    """Equal images have none, a moved one little, a smooth one much; a teacher is needed for it."""
    teacher = teachers.calibrate(teachers.load(tiny_teacher), batches())
    both = dict.fromkeys(students.DOMAINS, teacher)
    batch = next(batches())
    batch["sketch"] = jnp.tile(batch["sketch"][:, :8, :8], (1, 4, 4, 1))  # of period 8
    maps = students.teacher_features(both, batch)

    def texture(fake):
        outputs = {"student_sketch": (fake, {}, {})}
        return float(students.formulas("student_sketch", outputs, both, maps, batch)["texture"]())

    assert texture(batch["sketch"]) == pytest.approx(0, abs=1e-6)
    moved = texture(jnp.roll(batch["sketch"], 4, axis=(1, 2)))
    smooth = texture(jnp.full_like(batch["sketch"], batch["sketch"].mean()))
    assert moved < 0.2 * smooth
    config = kd.get_config()
    for term in ("mimic", "transform"):
        config.loss_weights[term] = 0.0
    assert not methods.needs(config)
    config.loss_weights.texture = 1.0
    assert methods.needs(config).keys() == {"teacher"}


def test_stroked_students_see_noise_and_local_contrast_and_pay_for_roughness():
    config = kd.tiny("variant=stroked,ablation=reconstruction")
    config.loss_weights.ssim = config.loss_weights.fsim = 0.0  # long to compile
    batch = next(batches(size=24))
    players = jax.jit(methods.create(config).init)(jax.random.key(0), {}, batch).players
    params = {role: player.params for role, player in players.items()}

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradients(params, keys):
        loss, (_, terms) = students.loss(players, params, {}, batch, keys, config.loss_weights)
        return loss, (terms, students.apply(players, params, batch, keys)[0])

    found, (terms, outputs) = gradients(params, jax.random.split(jax.random.key(1), 1))
    for role, (_, target) in students.ROLES.items():
        for name in ("noise", "detail"):
            assert not params[role]["translator"][name]["kernel"].any()
            assert found[role]["translator"][name]["kernel"].any()
        rough = float(strokes.roughness(outputs[role][0], batch[target]))
        assert terms[role]["roughness"] == pytest.approx(rough, rel=1e-3)


@pytest.mark.parametrize("path", ["nowhere", "nowhere.safetensors"])
def test_a_missing_teacher_is_named(path):
    with pytest.raises((FileNotFoundError, ValueError), match="nowhere"):
        teachers.load(path)


def test_rate_is_constant_then_falls_to_zero(tiny):
    config = tiny(kd)
    tx = optimizers.adam(config.optim, num_steps=10)
    params = jnp.zeros(())
    opt_state = tx.init(params)
    moves = []
    for _ in range(10):
        updates, opt_state = tx.update(jnp.ones(()), opt_state, params)
        moves.append(-float(updates) / config.optim.learning_rate)
    # Adam's step of a constant gradient has length 1, so the moves show the schedule.
    np.testing.assert_allclose(moves, [1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2], rtol=1e-4)
