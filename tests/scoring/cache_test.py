"""The feature cache: equal to fresh ones, another name for everything else, damage is told."""

import re

import numpy as np
import pytest

from fsketch.scoring import cache

PARTS = {"net": "tiny", "weights": "ab12", "rule": "clean"}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (h, 6, 1), dtype=np.uint8) for h in (5, 7, 5)]


class Extract:
    """Means and deviations, counting its calls."""

    calls = 0

    def __call__(self, images):
        self.calls += 1
        return np.array([[image.mean(), image.std()] for image in images])


def test_cached_features_equal_fresh_ones(images, tmp_path):
    extract = Extract()
    fresh = extract(images).astype(np.float32)
    for _ in range(2):
        found = cache.cached(extract, images, cache_dir=tmp_path / "new", key_parts=PARTS)
        np.testing.assert_array_equal(found, fresh)
        assert found.dtype == np.float32
    assert extract.calls == 2  # the fresh one and the first of the two
    assert len(list((tmp_path / "new").glob("*.npz"))) == 1


def changed(images):
    copies = [image.copy() for image in images]
    copies[2][0, 0, 0] ^= 1
    return copies


@pytest.mark.parametrize(
    "change",
    [
        lambda images, parts: (changed(images), parts),
        lambda images, parts: (images[::-1], parts),
        lambda images, parts: (images[:2], parts),
        lambda images, parts: ([x.reshape(x.shape[1], -1, 1) for x in images], parts),
        lambda images, parts: ([x.astype(np.float32) for x in images], parts),
        lambda images, parts: (images, {**parts, "rule": "legacy"}),
    ],
)
def test_every_change_has_another_name(images, tmp_path, change):
    extract = Extract()
    other_images, other_parts = change(images, PARTS)
    cache.cached(extract, images, cache_dir=tmp_path, key_parts=PARTS)
    found = cache.cached(extract, other_images, cache_dir=tmp_path, key_parts=other_parts)
    assert extract.calls == 2 and len(list(tmp_path.glob("*.npz"))) == 2
    np.testing.assert_array_equal(found, extract(other_images).astype(np.float32))


def test_the_name_depends_on_nothing_else(images):
    name = cache.cache_name(images, key_parts=PARTS)
    parts = dict(reversed(PARTS.items()))
    assert name == cache.cache_name([np.asfortranarray(x) for x in images], key_parts=parts)
    same_size = np.stack([images[0], images[2]])
    assert cache.cache_name(same_size, key_parts=PARTS) == cache.cache_name(
        [images[0], images[2]], key_parts=PARTS
    )


@pytest.mark.parametrize("damage", ["cut", "flipped", "renamed"])
def test_a_damaged_file_is_named_and_kept(images, tmp_path, damage):
    cache.cached(Extract(), images, cache_dir=tmp_path, key_parts=PARTS)
    (path,) = tmp_path.glob("*.npz")
    content = path.read_bytes()
    if damage == "cut":
        content = content[:-30]
    elif damage == "flipped":  # one bit of a feature
        at = content.index(np.float32(images[0].mean()).tobytes())
        content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    else:
        cache.cached(Extract(), images[:1], cache_dir=tmp_path, key_parts=PARTS)
        (other,) = set(tmp_path.glob("*.npz")) - {path}
        content = other.read_bytes()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{re.escape(path.name)}: .*delete it"):
        cache.cached(Extract(), images, cache_dir=tmp_path, key_parts=PARTS)
    assert path.read_bytes() == content


def test_features_that_cannot_be_kept_are_refused(images, tmp_path):
    for wrong in (np.zeros((2, 4)), np.zeros(3), np.full((3, 2), np.nan)):
        with pytest.raises(ValueError, match=r"finite \[3, D\]"):
            cache.cached(lambda _, w=wrong: w, images, cache_dir=tmp_path, key_parts=PARTS)
    assert not list(tmp_path.glob("*.npz"))
