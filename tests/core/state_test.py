"""Players and updates: only the updated one moves, devices agree, statistics are averaged."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from fsketch.core import parallel, state
from fsketch.nets import layers


class Affine(nn.Module):
    """scale * x, counting its training calls in `stats`."""

    @nn.compact
    def __call__(self, x, *, train=False):
        seen = self.variable("batch_stats", "mean", jnp.zeros, ())
        if train and not self.is_initializing():
            seen.value = x.mean()
        return self.param("scale", nn.initializers.ones, ()) * x


def fresh(**options):
    return state.create_player(
        jax.random.key(0), Affine(), optax.sgd(0.1), jnp.ones((1,)), **options
    )


def on_devices(function, train_state, x):
    """Runs on two devices, one example each; returns the state of both."""
    devices = jax.devices()[:2]
    mapped = jax.pmap(function, axis_name="device", devices=devices)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), train_state)
    return mapped(stacked, x)


def one_update(train_state, x):
    def loss_fn(params):
        out, stats = train_state["student"](x, params=params["student"], train=True)
        return (out * x).mean(), ({"student": stats}, out)

    players, _ = state.update({"student": train_state["student"]}, loss_fn)
    return train_state.put(**players).next()


def test_update_averages_gradients_and_statistics_over_devices():
    train_state = state.create(student=fresh(), other=fresh())
    after = on_devices(one_update, train_state, jnp.array([[1.0], [3.0]]))
    # d loss / d scale = mean of x^2 over devices = 5; sgd moves 1 by -0.1 * 5
    np.testing.assert_allclose(after["student"].params["scale"], [0.5, 0.5])
    np.testing.assert_allclose(after["student"].stats["batch_stats"]["mean"], [2.0, 2.0])
    np.testing.assert_allclose(after["other"].params["scale"], [1.0, 1.0])
    np.testing.assert_array_equal(after.step, [1, 1])


def test_averaged_parameters_follow_at_their_rate():
    train_state = state.create(student=fresh(ema_rate=0.75))
    after = on_devices(one_update, train_state, jnp.array([[1.0], [3.0]]))
    np.testing.assert_allclose(after["student"].ema["scale"], 0.75 * 1.0 + 0.25 * 0.5)
    np.testing.assert_allclose(after["student"].averaged().params["scale"], 0.875)
    assert fresh().averaged().ema == {}


def test_put_refuses_unknown_players():
    with pytest.raises(KeyError, match="critic"):
        state.create(student=fresh()).put(critic=fresh())


def test_weigh_by_hand_and_by_names():
    terms = {"a": jnp.asarray(2.0), "b": jnp.asarray(3.0)}
    assert float(state.weigh(terms, {"a": 10.0, "b": 1.0})) == 23.0
    with pytest.raises(ValueError, match="'c'"):
        state.weigh(terms, {"a": 10.0, "c": 1.0})
    with pytest.raises(ValueError, match="loss_weights"):  # computed, though it counts for nothing
        state.weigh(terms, {"a": 10.0, "b": 0.0})
    assert float(state.weigh({}, {"a": 0.0})) == 0.0


def test_a_term_of_weight_zero_is_not_computed():
    def never():
        raise AssertionError("computed")

    formulas = {"a": lambda: jnp.asarray(2.0), "b": never}
    assert state.compute(formulas, {"a": 1.0, "b": 0.0}) == {"a": 2.0}
    with pytest.raises(ValueError, match=r"'b'.*'c'"):
        state.compute(formulas, {"a": 1.0, "c": 0.0})


def test_keys_do_not_depend_on_how_the_batch_is_split():
    keys = parallel.step_keys(3, 7, global_batch=16)
    assert keys.shape == (jax.local_device_count(), 2)
    flat = jax.random.key_data(keys).reshape(16, -1)
    alone = jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 1), 7), 16)
    np.testing.assert_array_equal(flat, jax.random.key_data(alone))
    assert len({tuple(row) for row in flat.tolist()}) == 16


def test_split_and_join_are_inverse_and_refuse_a_remainder():
    batch = {"x": np.arange(16).reshape(16, 1)}
    parts = parallel.split(batch)
    assert parts["x"].shape == (8, 2, 1)
    np.testing.assert_array_equal(parallel.join(parts)["x"], batch["x"])
    with pytest.raises(ValueError, match="9 examples"):
        parallel.split({"x": np.zeros((9, 1))})


def test_keys_reach_the_net_of_each_example():
    class Noisy(nn.Module):
        @nn.compact
        def __call__(self, x, *, train=False, keys=None):
            x = x * self.param("s", nn.initializers.ones, ())
            return layers.dropout(x, keys, rate=0.5) if train else x

    ones = jnp.ones((4, 8, 8, 1))
    player = state.create_player(jax.random.key(0), Noisy(), optax.sgd(0.1), ones)
    keys = jax.random.split(jax.random.key(1), 4)
    whole = player(ones, train=True, keys=keys)[0]
    assert set(np.unique(whole).tolist()) == {0.0, 2.0}
    halves = [player(ones[:2], train=True, keys=keys[i : i + 2])[0] for i in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(halves))
    assert (player(ones) == 1).all()


@pytest.mark.parametrize("backend", ["cpu", "gpu"])  # unrolled, in a loop
def test_parts_of_a_step_give_the_step(backend, monkeypatch):
    """Against the step on the whole, and their gradients by hand."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)

    def step(train_state, x, *, num_parts):
        def loss_fn(params, x):
            out, stats = train_state["student"](x, params=params["student"], train=True)
            return (out * x).mean(), ({"student": stats}, (out, out.mean()))

        players, aux = state.update(
            {"student": train_state["student"]}, loss_fn, x, num_parts=num_parts
        )
        return train_state.put(**players), aux

    x = jnp.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])  # two devices
    results = {}
    for num_parts in (1, 2, 4):
        after, (out, mean) = on_devices(
            functools.partial(step, num_parts=num_parts), state.create(student=fresh()), x
        )
        results[num_parts] = after["student"].params["scale"]
        np.testing.assert_allclose(out, x)
        np.testing.assert_allclose(mean, [2.5, 6.5])
        np.testing.assert_allclose(after["student"].stats["batch_stats"]["mean"], [4.5, 4.5])
    # d loss / d scale = mean of x^2 = 204 / 8
    for scale in results.values():
        np.testing.assert_allclose(scale, 1 - 0.1 * 25.5, rtol=1e-6)
    with pytest.raises(ValueError, match=r"accumulate_steps: .*\[4\].*got 3"):
        on_devices(functools.partial(step, num_parts=3), state.create(student=fresh()), x)


def test_gather_and_own_part_are_inverse_and_keep_the_order():
    x = jnp.arange(12.0).reshape(2, 3, 2)
    mapped = jax.pmap(
        lambda x: (state.gather(x), state.own_part(state.gather(x))),
        axis_name="device",
        devices=jax.devices()[:2],
    )
    whole, own = mapped(x)
    np.testing.assert_array_equal(whole[0], x.reshape(6, 2))
    np.testing.assert_array_equal(whole[1], x.reshape(6, 2))
    np.testing.assert_array_equal(own, x)
