"""KD+: whose gradient reaches whom, and in which order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods, prediction
from fsketch.configs import kd_plus

pytestmark = pytest.mark.usefixtures("plain_convolutions")

STUDENTS = {"student_sketch": ("photo", "sketch"), "student_photo": ("sketch", "photo")}
CRITICS = {"critic_sketch": "student_sketch", "critic_photo": "student_photo"}


def test_each_player_moves_by_its_own_loss_against_the_others_as_they_were():
    """Adam's first moments against gradients written down here from the nets alone."""
    config = kd_plus.tiny()
    with config.unlocked():
        config.critic.num_scales = 2
        config.loss_weights = kd_plus.get_config("variant=none,ablation=no_teacher").loss_weights
    size, crop = 2, config.data.crop_px
    rng = np.random.default_rng(0)
    batch = {
        "photo": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 3)), jnp.float32),
        "sketch": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 1)), jnp.float32),
    }
    method = methods.create(config)
    shapes = type("Shapes", (), {"channels": {"photo": 3, "sketch": 1}})
    start = prediction.initial_state(method, {}, config, shapes)
    step = jax.pmap(
        method.train_step, axis_name="device", devices=jax.devices()[:1], in_axes=(None, None, 0, 0)
    )
    keys = jax.random.split(jax.random.key(7), size)
    alone = jax.tree.map(lambda x: x[None], (batch, keys))
    after, scalars = jax.tree.map(lambda x: x[0], step(start, {}, *alone))

    def apply(role, params, *inputs):
        return start[role].net.apply({"params": params}, *inputs, train=True)

    def judged(critic, params, image):
        source, _ = STUDENTS[CRITICS[critic]]
        return apply(critic, params, jnp.concatenate([batch[source], image], -1))

    def squared(verdicts, aim):
        large, half = verdicts
        return (jnp.square(large - aim).mean() + jnp.square(half - aim).mean()) / 2

    def student_loss(params, role):
        source, target = STUDENTS[role]
        (critic,) = (c for c, s in CRITICS.items() if s == role)
        fake = apply(role, params, batch[source])[0]
        verdicts = judged(critic, start[critic].params, fake)
        return 10 * jnp.abs(fake - batch[target]).mean() + squared(verdicts, 1)

    def critic_loss(params, critic):
        role = CRITICS[critic]
        source, target = STUDENTS[role]
        fake = apply(role, start[role].params, batch[source])[0]  # of the student before its step
        on_real, on_fake = (judged(critic, params, image) for image in (batch[target], fake))
        return (squared(on_real, 1) + squared(on_fake, 0)) / 2

    for loss, roles in ((student_loss, STUDENTS), (critic_loss, CRITICS)):
        for role in roles:
            compiled = jax.jit(jax.value_and_grad(loss), static_argnums=1)
            value, expected = compiled(start[role].params, role)
            scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
            assert scale > 0
            jax.tree.map(
                lambda m, g, scale=scale: np.testing.assert_allclose(m / 0.5, g, atol=1e-4 * scale),
                after[role].opt_state[0].mu,
                expected,
            )
            if role in STUDENTS:
                told = 10 * scalars[f"{role}/reconstruction"] + scalars[f"{role}/adversarial"]
            else:
                told = (scalars[f"{role}/real"] + scalars[f"{role}/fake"]) / 2
            assert float(told) == pytest.approx(float(value), rel=1e-4)
