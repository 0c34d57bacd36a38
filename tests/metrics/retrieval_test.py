"""Rank-k, FRR and FCR by hand and against a search by sorting."""

import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.metrics import retrieval

pytestmark = pytest.mark.usefixtures("full_optimization")


def test_rank1_leaves_out_the_own_entry():
    identity = jnp.array([0, 0, 1, 1])
    near = jnp.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    assert float(retrieval.rank1(near, near, identity)) == 1.0
    # The only entry of the right identity is the own one: nothing can be found.
    assert float(retrieval.rank1(near, near, jnp.arange(4))) == 0.0


def by_sorting(probe, gallery, probe_identity, gallery_identity):
    """Rank of the first true entry; among equals the wrong ones first."""
    ranks = []
    for p, own in zip(probe.astype(float), probe_identity, strict=True):
        entries = []
        for g, other in zip(gallery.astype(float), gallery_identity, strict=True):
            far = -np.dot(p, g) / np.linalg.norm(p) / np.linalg.norm(g)
            entries.append((round(far, 5), own == other))
        hits = [i + 1 for i, (_, true) in enumerate(sorted(entries)) if true]
        ranks.append(hits[0] if hits else len(entries) + 1)
    return np.array(ranks)


def curve(*arguments, last):
    return [float(retrieval.rank_k(*arguments, k=k)) for k in range(1, last + 1)]


def test_rates_equal_those_of_a_search_by_sorting():
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(40, 6)).astype(np.float32)
    gallery_identity = rng.integers(0, 15, 40)
    probe = rng.normal(size=(30, 6)).astype(np.float32)
    probe_identity = rng.integers(0, 17, 30)  # 15 and 16 are not in the gallery
    gallery[20:30] = gallery[:10]  # the same embedding under two names
    ranks = by_sorting(probe, gallery, probe_identity, gallery_identity)
    arguments = (probe, gallery, probe_identity, gallery_identity)
    expected = [(ranks <= k).mean() for k in range(1, 41)]
    np.testing.assert_allclose(curve(*arguments, last=40), expected, atol=1e-6)
    assert (ranks > 40).any() and (np.diff(expected) > 0).any()


def test_ties_and_nan_count_against_the_probe():
    identity = np.arange(6)
    one_point = np.ones((6, 3), np.float32)
    nan = np.full((6, 3), np.nan, np.float32)
    for embedding in (one_point, nan, 0 * one_point):  # zeros have no direction
        assert curve(embedding, embedding, identity, identity, last=5) == [0] * 5
        assert float(retrieval.rank1(embedding, embedding, identity // 2)) == 0.0
    assert curve(one_point, one_point, identity, identity, last=6) == [0, 0, 0, 0, 0, 1]
    assert curve(nan, nan, identity, identity, last=6) == [0] * 6


def test_frr_by_hand():
    faces = np.eye(7, dtype=np.float32)
    identity = np.arange(7)
    found = faces.copy()
    lost = np.roll(faces, 1, axis=0)  # nearest to another, equally far from the rest
    half = np.concatenate([faces[:3], lost[3:]])
    recovered = np.stack([found, half])
    assert float(retrieval.frr(recovered, faces, identity, k=1)) == pytest.approx((1 + 3 / 7) / 2)
    # Where another is nearest, all the rest are as far as the true person, who stands last.
    assert float(retrieval.frr(recovered, faces, identity)) == pytest.approx((1 + 3 / 7) / 2)
    near = 0.5 * faces + lost  # the true person second
    assert float(retrieval.frr(near[None], faces, identity, k=1)) == 0.0
    assert float(retrieval.frr(near[None], faces, identity)) == 1.0


def test_fcr_by_hand():
    faces = np.eye(7, dtype=np.float32)
    identity = np.arange(7)
    assert float(retrieval.fcr(np.stack([faces, 2 * faces]), identity)) == 1.0
    # Two styles agree and a third shows someone else: its queries find their looks, twice, under
    # the wrong name, while the first two find each other.
    swapped = np.roll(faces, 1, axis=0)
    recovered = np.stack([faces, faces, swapped])
    assert float(retrieval.fcr(recovered, identity, k=1)) == 0.0  # the wrong one is as near
    assert float(retrieval.fcr(recovered, identity, k=2)) == pytest.approx(2 / 3)
    recovered[2] = np.roll(faces, 1, axis=0) + 1e-3 * faces
    assert float(retrieval.fcr(recovered, identity, k=1)) == pytest.approx(2 / 3)


def test_what_does_not_fit_is_refused():
    x, identity = np.ones((4, 3)), np.arange(4)
    with pytest.raises(ValueError, match=r"k: expected 1 to 4 .*got 5"):
        retrieval.rank_k(x, x, identity, identity, k=5)
    with pytest.raises(ValueError, match=r"got \(4, 3\) and \(4, 2\)"):
        retrieval.rank_k(x, x[:, :2], identity, identity, k=1)
    with pytest.raises(ValueError, match="at least 2 styles"):
        retrieval.fcr(x[None], identity, k=1)
