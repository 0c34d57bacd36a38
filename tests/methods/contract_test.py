"""What every method must keep, on simulated devices; one parametrised test each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import cyclegan, kd, kd_plus, kt, pix2pix, teacher
from fsketch import evaluate, methods, parallel, train

EXPERIMENTS = {
    "teacher": teacher,
    "kt": kt,
    "kd": kd,
    "kd_plus": kd_plus,
    "pix2pix": pix2pix,
    "cyclegan": cyclegan,
}


def batch_of(size, crop):
    rng = np.random.default_rng(0)
    return {
        "photo": rng.integers(0, 256, (size, crop, crop, 3)).astype(np.uint8),
        "sketch": rng.integers(0, 256, (size, crop, crop, 1)).astype(np.uint8),
        "identity": (np.arange(size) // 2).astype(np.int32),
    }


class Setup:
    """A method with its frozen nets, its state at step 0 and its pmapped step."""

    def __init__(self, config):
        self.config = config
        self.crop = config.data.crop_px
        self.method = methods.create(config)
        one = {
            "photo": jnp.asarray(batch_of(1, self.crop)["photo"]) / 127.5 - 1.0,
            "sketch": jnp.asarray(batch_of(1, self.crop)["sketch"]) / 127.5 - 1.0,
        }
        self.frozen = self.method.freeze([one])
        canvases = type("Shapes", (), batch_of(1, self.crop))
        self.start = evaluate.initial_state(self.method, self.frozen, config, canvases)
        self.step = parallel.pmap(train._step(self.method, config.data))

    def run(self, *, seed=0, size=16):
        keys = parallel.step_keys(seed, 1, global_batch=size)
        batch = parallel.split(batch_of(size, self.config.data.canvas_px))
        return self.step(
            parallel.replicate(self.start), parallel.replicate(self.frozen), batch, keys
        )


@pytest.fixture(scope="module", params=sorted(EXPERIMENTS))
def name(request):
    return request.param


_SETUPS = {}


@pytest.fixture
def setup(name, tiny):
    if name not in _SETUPS:
        setup = Setup(tiny(EXPERIMENTS[name]))
        setup.after, setup.scalars = setup.run()
        _SETUPS[name] = setup
    return _SETUPS[name]


def test_every_method_has_an_experiment():
    assert set(EXPERIMENTS) == set(methods.METHODS)


def test_each_player_moves_and_the_step_counts(setup):
    after = parallel.unreplicate(setup.after)
    assert int(after.step) == 1
    for role, player in after.players.items():
        moved = jax.tree.map(
            lambda new, old: bool((np.asarray(new) != np.asarray(old)).any()),
            player.params,
            setup.start[role].params,
        )
        assert any(jax.tree.leaves(moved)), role


def test_all_is_finite_and_devices_agree(setup):
    for leaf in jax.tree.leaves((setup.after, setup.scalars)):
        copies = np.asarray(leaf)
        assert np.isfinite(copies).all()
        assert (copies == copies[:1]).all()


def test_scalars_are_named_after_players_and_weights(setup):
    roles = set(setup.start.players)
    terms = {}
    for scalar in setup.scalars:
        role, term = scalar.split("/")
        assert role in roles
        terms.setdefault(role, set()).add(term)
    assert set(terms) == roles
    if "loss_weights" in setup.config:
        for role, group in terms.items():
            judge = role.startswith("critic")
            assert group == ({"real", "fake"} if judge else set(setup.config.loss_weights)), role


def test_same_key_gives_the_same_step(setup):
    again, scalars = setup.run()
    for one, other in zip(
        jax.tree.leaves((setup.after, setup.scalars)),
        jax.tree.leaves((again, scalars)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_predict_keys_and_ranges(setup):
    batch = {
        name: jnp.asarray(image, jnp.float32) / 127.5 - 1.0
        for name, image in batch_of(2, setup.crop).items()
        if name != "identity"
    }
    outputs = setup.method.predict(setup.start, setup.frozen, batch)
    assert outputs
    for kind, output in outputs.items():
        assert kind in ("photo", "sketch") or kind.startswith("embedding")
        assert output.dtype == jnp.float32
        if kind in ("photo", "sketch"):
            assert output.shape == batch[kind].shape
            assert float(jnp.abs(output).max()) <= 1.0


def test_wrong_method_is_refused(tiny):
    config = tiny(teacher)
    config.method = "nonsense"
    with pytest.raises(ValueError, match=r"'nonsense'.*'kd'"):
        methods.create(config)


def first_moments(after, scalars):
    """What one step left in Adam: the gradients up to a factor; and the scalars."""
    moments = {role: player.opt_state[0].mu for role, player in after.players.items()}
    return jax.device_get(jax.tree.map(lambda x: x[0], (moments, scalars)))


def test_eight_devices_give_the_result_of_one(setup):
    one_device = jax.pmap(
        train._step(setup.method, setup.config.data), axis_name="device", devices=jax.devices()[:1]
    )
    alone = lambda tree: jax.tree.map(lambda x: jnp.asarray(x)[None], tree)  # noqa: E731
    keys = parallel.step_keys(0, 1, global_batch=16).reshape(1, 16)
    batch = alone(batch_of(16, setup.config.data.canvas_px))
    one, one_scalars = first_moments(
        *one_device(alone(setup.start), alone(setup.frozen), batch, keys)
    )
    eight, eight_scalars = first_moments(setup.after, setup.scalars)
    for role in one:
        scale = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(one[role]))
        for a, b in zip(jax.tree.leaves(one[role]), jax.tree.leaves(eight[role]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * scale)
    for scalar, value in one_scalars.items():
        np.testing.assert_allclose(value, eight_scalars[scalar], rtol=1e-5)
