"""Flat names of pytrees and back."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fsketch.core import trees


@pytest.fixture
def tree():
    params = {"a": {"kernel": jnp.ones((2, 3))}, "b": jnp.zeros((4,))}
    return {"params": params, "opt": optax.adam(1e-3).init(params), "stats": {}}


def test_flatten_and_back(tree):
    flat = {name: np.asarray(leaf) + 1 for name, leaf in trees.flatten(tree).items()}
    assert "params/a/kernel" in flat
    back = trees.unflatten(tree, flat)
    np.testing.assert_array_equal(back["params"]["a"]["kernel"], 2 * np.ones((2, 3)))
    assert back["opt"][0].count == 1
    assert back["stats"] == {}


def test_unflatten_lists_every_difference(tree):
    flat = dict(trees.flatten(tree))
    flat["params/b"] = np.zeros((5,))
    del flat["params/a/kernel"]
    flat["params/c"] = np.zeros((1,))
    with pytest.raises(ValueError) as error:
        trees.unflatten(tree, flat)
    message = str(error.value)
    assert "missing: params/a/kernel (2, 3)" in message
    assert "unknown: params/c (1,)" in message
    assert "params/b: expected (4,), got (5,)" in message


def test_count():
    assert trees.count({"a": jnp.ones((2, 3)), "b": jnp.ones(())}) == 7


def test_where_takes_a_whole_tree(tree):
    other = {**tree, "params": {"a": {"kernel": 5 * jnp.ones((2, 3))}, "b": jnp.ones((4,))}}
    for flag, expected in ((True, tree), (False, other)):
        found = trees.where(jnp.asarray(flag), tree, other)
        np.testing.assert_array_equal(found["params"]["b"], expected["params"]["b"])
        assert found["stats"] == {}


def test_a_digest_is_of_names_shapes_and_numbers():
    trees_ = [
        {"a": np.zeros(2), "b": np.ones(1)},
        {"b": np.zeros(2), "a": np.ones(1)},
        {"a": np.zeros((2, 1)), "b": np.ones(1)},
        {"a": np.zeros(2), "b": np.zeros(1)},
        {"a": np.zeros(2, np.float32), "b": np.ones(1)},
    ]
    assert len({trees.digest(tree) for tree in trees_}) == len(trees_)
    assert trees.digest({"b": np.ones(1), "a": np.zeros(2)}) == trees.digest(trees_[0])
