"""IFRP: gate, halves, schedules; what a step moves; its nets and terms by configuration."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods, prediction
from fsketch.configs import ifrp as experiment
from fsketch.core import parallel
from fsketch.methods import ifrp, optimizers

pytestmark = pytest.mark.usefixtures("plain_convolutions")


@pytest.mark.parametrize(
    ("real", "fake", "critic", "remover"),
    [
        (0.5, 0.6, True, True),
        (0.3, 0.7, True, True),  # neither bound is crossed
        (0.29, 0.5, False, True),  # the critic knows real faces too well
        (0.5, 0.29, False, True),
        (0.5, 0.71, True, False),  # the critic is fooled
        (0.71, 0.5, True, False),
        (0.29, 0.71, True, True),  # both would stay, so both move
        (0.71, 0.29, True, True),
        (0.01, 5.0, True, True),
        (5.0, 5.0, True, False),
    ],
)
def test_the_gate_by_hand(real, fake, critic, remover):
    losses = {"real": jnp.float32(real), "fake": jnp.float32(fake)}
    moves = ifrp.gate(**losses, margin=0.3)
    assert (bool(moves["critic"]), bool(moves["remover"])) == (critic, remover)
    always = ifrp.gate(**losses, margin=0.0)
    assert bool(always["critic"]) and bool(always["remover"])


def test_weights_fall_by_half_a_percent_an_epoch_to_their_half():
    decay = experiment.get_config("portraits=celeba").decay
    weights = [float(ifrp.faded(jnp.asarray(n), decay)["adversarial"]) for n in (0, 1, 138, 139)]
    np.testing.assert_allclose(weights, [1, 0.995, 0.995**138, 0.5], rtol=1e-5)
    assert weights[2] > 0.5  # the floor is reached at epoch 139


def test_the_rate_warms_up_and_falls_by_epochs_to_its_floor():
    config = experiment.get_config("portraits=celeba").optim
    per_epoch = config.steps_per_epoch
    assert per_epoch == 3 * 110_000 // 64  # three styles
    rate = lambda step: float(optimizers.falling_rate(jnp.asarray(step), config))  # noqa: E731
    by_hand = {
        0: 1e-3 / 50, 49: 1e-3 / 50, 50: 1e-3 / 5, 99: 1e-3 / 5, 100: 1e-3, per_epoch - 1: 1e-3,
        per_epoch: 0.99e-3, 10 * per_epoch: 1e-3 * 0.99**10, 700 * per_epoch: 1e-6,
    }  # fmt: skip
    for step, expected in by_hand.items():
        assert rate(step) == pytest.approx(expected, rel=1e-4), step


def test_rmsprop_is_torch_s_and_its_rate_goes_by_the_given_step():
    config = experiment.get_config("portraits=celeba").optim
    tx = optimizers.rmsprop(config)
    params = jnp.array([1.0, -2.0])
    opt_state = tx.init(params)
    mean, expected = np.zeros(2), np.array([1.0, -2.0])
    for step, gradient in ((0, [0.5, -3.0]), (60, [1.0, 1.0]), (100, [-0.2, 2.0])):
        opt_state = optimizers.at_step(opt_state, jnp.asarray(step))
        updates, opt_state = tx.update(jnp.asarray(gradient), opt_state, params)
        params = params + updates
        mean = 0.9 * mean + 0.1 * np.square(gradient)
        rate = {0: 1e-3 / 50, 60: 1e-3 / 5, 100: 1e-3}[step]
        expected = expected - rate * np.array(gradient) / (np.sqrt(mean) + 1e-8)
        np.testing.assert_allclose(params, expected, rtol=1e-6)


@functools.cache
def on(devices):
    return jax.pmap(ifrp.real_half, axis_name="device", devices=jax.devices()[:devices])


def halves(person, *, devices=1, seed=0):
    keys = parallel.step_keys(seed, 1, global_batch=len(person)).reshape(devices, -1)
    return np.asarray(on(devices)(np.reshape(person, (devices, -1)), keys)).reshape(-1)


def test_half_of_a_batch_of_strangers_is_real_and_each_step_another_half():
    drawn = np.stack([halves(np.arange(8), seed=seed) for seed in range(8)])
    assert (drawn.sum(1) == 4).all()
    assert len({tuple(row) for row in drawn}) > 1
    assert (drawn.mean(0) < 1).all() and (drawn.mean(0) > 0).all()


@pytest.mark.parametrize(
    "person", [[3, 3, 5, 5, 7, 7, 9, 9], [1, 1, 1, 1, 1, 1, 1, 2], [4, 8, 4, 8, 4, 8, 4, 4]]
)
def test_nobody_is_in_both_halves_and_neither_is_empty(person):
    for seed in range(4):
        is_real = halves(np.array(person), seed=seed)
        real, fake = (set(np.array(person)[is_real == side]) for side in (1, 0))
        assert real and fake and not real & fake


def test_the_halves_do_not_depend_on_the_number_of_devices():
    person = np.array([3, 3, 5, 5, 7, 7, 9, 9])
    np.testing.assert_array_equal(halves(person), halves(person, devices=8))


def batch_of(size, crop):
    rng = np.random.default_rng(0)
    return {
        "photo": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 3)), jnp.float32),
        "sketch": jnp.asarray(rng.uniform(-1, 1, (size, crop, crop, 1)), jnp.float32),
        "identity": jnp.arange(size),
    }


def small():
    """Without transformers and skips, which compile long, and without a face net."""
    config = experiment.tiny()
    with config.unlocked():
        config.loss_weights.identity = 0.0
        config.model.has_transformers, config.model.skips = False, "none"
    return config


@functools.cache
def runner():
    """(start, the compiled step of one device) of a small IFRP."""
    config = small()
    method = methods.create(config)
    start = prediction.initial_state(
        method, {}, config, type("Shapes", (), {"channels": {"photo": 3, "sketch": 3}})
    )
    step = jax.pmap(method.train_step, axis_name="device", devices=jax.devices()[:1])

    def run(state):
        keys = jax.random.split(jax.random.key(7), 4)
        alone = jax.tree.map(lambda x: jnp.asarray(x)[None], (state, {}, batch_of(4, 32), keys))
        return jax.tree.map(lambda x: x[0], step(*alone))

    return start, run


def moved(before, after, role):
    leaves = zip(*(jax.tree.leaves(s[role].params) for s in (before, after)), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in leaves)


def with_verdict(state, bias):
    """The state whose critic's verdicts are about `bias`."""
    critic = state["critic"]
    last = {**critic.params["Dense_1"], "bias": np.array([bias], np.float32)}
    return state.put(critic=critic.replace(params={**critic.params, "Dense_1": last}))


def test_a_player_that_stays_is_left_as_it_was_while_its_rate_goes_on():
    start, run = runner()
    # Verdicts of about -1 on all: real faces cost 1.31, generated ones 0.31, so the remover stays.
    state = with_verdict(start, -1.0)
    after, scalars = run(state)
    assert float(scalars["critic/real"]) > 0.7 and float(scalars["critic/fake"]) > 0.3
    assert (float(scalars["critic/moved"]), float(scalars["remover/moved"])) == (1.0, 0.0)
    assert moved(state, after, "critic") and not moved(state, after, "remover")
    for one, other in zip(
        jax.tree.leaves((state["remover"].stats, state["remover"].opt_state[0])),
        jax.tree.leaves((after["remover"].stats, after["remover"].opt_state[0])),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert [int(after[role].opt_state[1].count) for role in ("remover", "critic")] == [1, 1]
    # Verdicts of -2: the fake loss is 0.13, the real one 2.1; both would stay, so both move.
    after, scalars = run(with_verdict(start, -2.0))
    assert float(scalars["critic/fake"]) < 0.3 and float(scalars["critic/real"]) > 0.7
    assert moved(start, after, "remover") and float(scalars["critic/moved"]) == 1.0


def test_each_player_moves_by_its_own_loss_against_the_other_as_it_was():
    """RMSprop's mean squares against gradients written down here from the nets alone."""
    start, run = runner()
    after, scalars = run(start)
    batch = batch_of(4, 32)
    keys = jax.random.split(jax.random.key(7), 4)
    is_real = on(1)(batch["identity"][None], keys[None])[0]
    assert float(is_real.sum()) == 2

    def apply(role, params, image):
        variables = {"params": params, **start[role].stats}
        return start[role].net.apply(variables, image, train=True, mutable=["batch_stats"])[0]

    def make(params):
        return apply("remover", params, jnp.repeat(batch["sketch"], 3, -1))

    def remover_loss(params):
        fake = make(params)
        verdict = apply("critic", start["critic"].params, fake)
        adversarial = -jnp.log(jax.nn.sigmoid(verdict)).mean()
        return jnp.square(fake - batch["photo"]).mean() + 0.01 * adversarial

    def critic_loss(params):
        mixed = jnp.where(is_real[:, None, None, None] == 1, batch["photo"], make(
            start["remover"].params))  # fmt: skip
        verdict = apply("critic", params, mixed)[:, 0]
        on_real = -jnp.log(jax.nn.sigmoid(verdict))
        on_fake = -jnp.log(1 - jax.nn.sigmoid(verdict))
        return (on_real * is_real).sum() / 2 + (on_fake * (1 - is_real)).sum() / 2

    for role, loss in (("remover", remover_loss), ("critic", critic_loss)):
        value, expected = jax.jit(jax.value_and_grad(loss))(start[role].params)
        if role == "critic":
            assert float(value) == pytest.approx(
                float(scalars["critic/real"] + scalars["critic/fake"]), rel=1e-4
            )
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
        jax.tree.map(
            lambda m, g, scale=scale: np.testing.assert_allclose(
                np.sqrt(m / 0.1), np.abs(g), atol=1e-3 * scale
            ),
            after[role].opt_state[0].nu,
            expected,
        )


@pytest.fixture
def trace(tiny):
    """A function: argument of the experiment -> (roles, scalars) of a traced step."""

    def run(argument):
        config = tiny(experiment)
        full = experiment.get_config(argument)
        with config.unlocked():
            config.loss_weights, config.data = full.loss_weights, full.data
            for name in ("variant", "skips", "join", "has_transformers"):
                config.model[name] = full.model[name]
        method = methods.create(config)
        batch = batch_of(2, full.data.crop_px)
        frozen = method.freeze([])
        start = jax.eval_shape(method.init, jax.random.key(0), frozen, batch)
        step = jax.make_jaxpr(method.train_step, axis_env=[("device", 1)], return_shape=True)
        _, (_, scalars) = step(start, frozen, batch, jax.random.split(jax.random.key(0), 2))
        return start, set(frozen), set(scalars)

    return run


CRITIC = {"critic/real", "critic/fake", "critic/moved", "remover/moved"}
REMOVER = {"remover/pixel", "remover/identity", "remover/adversarial"}


@pytest.mark.parametrize(
    ("argument", "frozen", "scalars"),
    [
        ("ablation=pixel_only", set(), {"remover/pixel"}),
        ("ablation=no_identity,net=plain", set(), REMOVER - {"remover/identity"} | CRITIC),
        ("ablation=no_adversarial,transformers=no", {"face"}, REMOVER - {"remover/adversarial"}),
        ("net=released", {"face"}, REMOVER | CRITIC),
    ],
)
def test_each_ablation_trains_exactly_its_terms_and_players(trace, argument, frozen, scalars):
    start, nets, found = trace(argument)
    assert (nets, found) == (frozen, scalars)
    assert set(start.players) == {name.split("/")[0] for name in scalars}
    params = start["remover"].params
    assert any(name.startswith("transformer") for name in params) == (
        "transformers=no" not in argument
    )
    assert ("transformer4" in params) == (
        not {"net=released", "transformers=no"} & set(argument.split(","))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 1}, "batch_size: expected at least 2 .*got 1"),
        ({"variant": "third"}, "model.variant: .*'journal'.*got 'third'"),
    ],
)
def test_what_cannot_work_is_refused(change, message):
    config = experiment.tiny()
    for name, value in change.items():
        (config if name in config else config.model)[name] = value
    with pytest.raises(ValueError, match=message):
        methods.create(config)


def test_the_faithful_configuration_has_the_paper_s_numbers():
    config = experiment.get_config("portraits=celeba")
    assert (config.batch_size, config.num_steps) == (64, 250 * 5156)
    assert config.data.crop_px == config.data.canvas_px == 128 and not config.data.flip
    assert dict(config.loss_weights) == {"pixel": 1.0, "adversarial": 0.01, "identity": 1e-3}
    assert (config.optim.decay_rate, config.optim.epsilon, config.gate_margin) == (0.9, 1e-8, 0.3)
    assert (config.model.width, config.critic.width) == (32, 32)
