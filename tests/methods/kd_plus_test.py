"""KD+: whose gradient reaches whom, and in which order; a step in parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods, prediction
from fsketch.configs import kd_plus, pix2pix
from fsketch.nets import convolution

STUDENTS = {"student_sketch": ("photo", "sketch"), "student_photo": ("sketch", "photo")}
CRITICS = {"critic_sketch": "student_sketch", "critic_photo": "student_photo"}


@pytest.fixture(autouse=True)
def plain_convolutions():
    with convolution.plain():
        yield


def without_teacher():
    config = kd_plus.tiny()
    with config.unlocked():
        config.loss_weights = kd_plus.get_config("ablation=no_teacher").loss_weights
    return config


def batch_of(size, crop):
    rng = np.random.default_rng(0)
    return {
        "photo": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 3)), jnp.float32),
        "sketch": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 1)), jnp.float32),
    }


def one_step(config, batch):
    """(start, after, scalars) of one step on one device."""
    method = methods.create(config)
    start = prediction.initial_state(
        method, {}, config, type("Shapes", (), {"channels": {"photo": 3, "sketch": 1}})
    )
    step = jax.pmap(method.train_step, axis_name="device", devices=jax.devices()[:1])
    keys = jax.random.split(jax.random.key(7), len(batch["photo"]))
    alone = jax.tree.map(lambda x: jnp.asarray(x)[None], (start, {}, batch, keys))
    after, scalars = jax.tree.map(lambda x: x[0], step(*alone))
    return start, after, scalars


def test_each_player_moves_by_its_own_loss_against_the_others_as_they_were():
    """Adam's first moments against gradients written down here from the nets alone."""
    config = without_teacher()
    batch = batch_of(2, config.data.crop_px)
    start, after, scalars = one_step(config, batch)

    def apply(role, params, *inputs):
        return start[role].net.apply({"params": params}, *inputs, train=True)

    def judged(critic, params, image):
        source, _ = STUDENTS[CRITICS[critic]]
        return apply(critic, params, jnp.concatenate([batch[source], image], -1))

    def student_loss(params, role):
        source, target = STUDENTS[role]
        (critic,) = (c for c, s in CRITICS.items() if s == role)
        fake = apply(role, params, batch[source])[0]
        verdict = judged(critic, start[critic].params, fake)
        return 10 * jnp.abs(fake - batch[target]).mean() + jnp.square(verdict - 1).mean()

    def critic_loss(params, critic):
        role = CRITICS[critic]
        source, target = STUDENTS[role]
        fake = apply(role, start[role].params, batch[source])[0]  # of the student before its step
        on_real, on_fake = (judged(critic, params, image) for image in (batch[target], fake))
        return (jnp.square(on_real - 1).mean() + jnp.square(on_fake).mean()) / 2

    gradient = {
        role: jax.jit(jax.grad(loss), static_argnums=1)(start[role].params, role)
        for loss, roles in ((student_loss, STUDENTS), (critic_loss, CRITICS))
        for role in roles
    }
    for role, expected in gradient.items():
        moments = after[role].opt_state[0].mu
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
        assert scale > 0
        jax.tree.map(
            lambda m, g, scale=scale: np.testing.assert_allclose(m / 0.5, g, atol=1e-4 * scale),
            moments,
            expected,
        )
    for critic, role in CRITICS.items():
        halves = scalars[f"{critic}/real"] + scalars[f"{critic}/fake"]
        assert float(halves) / 2 == pytest.approx(
            float(critic_loss(start[critic].params, critic)), rel=1e-4
        )
        weighed = 10 * scalars[f"{role}/reconstruction"] + scalars[f"{role}/adversarial"]
        assert float(weighed) == pytest.approx(
            float(student_loss(start[role].params, role)), rel=1e-4
        )


@pytest.mark.parametrize("make", [without_teacher, pix2pix.tiny], ids=["kd_plus", "pix2pix"])
def test_a_step_in_parts_is_the_step_on_the_whole(make):
    """Both updates, the fakes handed on, and the dropout of each example."""
    config = make()
    batch = batch_of(4, config.data.crop_px)
    _, whole, whole_scalars = one_step(config, batch)
    config.accumulate_steps = 2
    _, parts, parts_scalars = one_step(config, batch)
    for role, player in whole.players.items():
        moments, others = player.opt_state[0].mu, parts[role].opt_state[0].mu
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(moments))
        for one, other in zip(jax.tree.leaves(moments), jax.tree.leaves(others), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * scale)
    for name, value in whole_scalars.items():
        np.testing.assert_allclose(value, parts_scalars[name], rtol=1e-5)
