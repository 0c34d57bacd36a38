"""Placement on devices: what is replicated is placed as a pmapped program's results are."""

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.core import parallel


def test_a_state_goes_through_a_step_again_without_another_compilation():
    traced = []

    def step(state, batch):
        traced.append(None)
        return {"total": state["total"] + batch.sum(), "step": state["step"] + 1}

    program = parallel.pmap(step, donate=(0,))
    state = parallel.replicate({"total": np.zeros(3, np.float32), "step": np.int32(0)})
    batch = parallel.split({"x": np.ones(16, np.float32)})["x"]
    for _ in range(3):
        state = program(state, batch)
    assert len(traced) == 1
    assert int(parallel.unreplicate(state)["step"]) == 3
    np.testing.assert_array_equal(parallel.unreplicate(state)["total"], 6.0)


def test_replicas_are_equal_and_of_the_leaves_types():
    tree = {"a": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3), "b": np.uint8(7), "c": True}
    copies = jax.device_get(parallel.replicate(tree))
    for name, leaf in tree.items():
        assert copies[name].shape == (8, *np.shape(leaf))
        assert copies[name].dtype == np.asarray(leaf).dtype
        assert (copies[name] == np.asarray(leaf)).all()
    assert parallel.unreplicate(parallel.replicate(tree))["b"] == 7


def test_of_nothing_there_is_no_program(monkeypatch):
    """JAX refuses one for several processes."""
    monkeypatch.setattr(parallel, "_copies", None)
    assert parallel.replicate({}) == {}
