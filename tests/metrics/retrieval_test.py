"""Rank-1 by hand."""

import jax.numpy as jnp

from fsketch.metrics import retrieval


def test_rank1_leaves_out_the_own_entry():
    identity = jnp.array([0, 0, 1, 1])
    near = jnp.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    assert float(retrieval.rank1(near, near, identity)) == 1.0
    # The only entry of the right identity is the own one: nothing can be found.
    assert float(retrieval.rank1(near, near, jnp.arange(4))) == 0.0


def test_rank1_is_a_share_and_ignores_length():
    identity = jnp.array([0, 0, 1, 1])
    gallery = jnp.array([[1.0, 0.0], [5.0, 0.5], [0.0, 1.0], [0.1, 0.9]])
    probe = gallery.at[3].set(jnp.array([100.0, 0.0]))  # one probe looks like the other person
    assert float(retrieval.rank1(probe, gallery, identity)) == 0.75
