"""The builder around the renderer; a quick stand-in draws, tests of the renderer are elsewhere."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds

from fsketch import data
from fsketch.data import shards, sources
from fsketch.data.synthetic import procedural
from fsketch.tfds_builders.procedural_faces import procedural_faces_dataset_builder as faces


@pytest.fixture
def stand_in(monkeypatch):
    """Images that spell out the first two latents of person and view."""

    def render_batch(identities, views, *, height_px, width_px):
        latents = jnp.concatenate([identities[:, :2], views[:, :2]], -1)
        flat = jnp.tanh(latents)[:, None, None]
        photo = jnp.broadcast_to(flat[..., :3], (len(flat), height_px, width_px, 3))
        sketch = jnp.broadcast_to(flat[..., 3:], (len(flat), height_px, width_px, 1))
        return procedural.Face(photo, sketch)

    monkeypatch.setattr(procedural, "render_batch", render_batch)


def _colours(split: str, num: int, *, size=(4, 5)) -> list[bytes]:
    """What tells the persons 0 .. num - 1 of a split apart: the first two channels."""
    wanted = [(index, 0) for index in range(num)]
    return [
        photo[0, 0, :2].tobytes()
        for photo, _ in faces.draw(wanted, split, height_px=size[1], width_px=size[0])
    ]


def test_persons_are_shared_within_a_split_and_never_over_splits(stand_in):
    train = _colours("train", 400)
    assert train[:5] == _colours("train", 5, size=(8, 10))
    # 65536 colours are few for 400 persons; the keys tell all persons apart.
    assert len(set(train)) > 390
    rows = [
        jax.vmap(lambda index, split=split: jax.random.key_data(faces.person_key(split, index)))(
            jnp.arange(400)
        )
        for split in shards.FACE_SPLITS
    ]
    assert len(np.unique(np.concatenate(rows), axis=0)) == 1200


def test_views_of_a_person_differ_in_the_view_only(stand_in):
    wanted = [(7, 0), (7, 1), (8, 0)]
    (one, pose), (same, other_pose), (other, _) = faces.draw(
        wanted, "test", height_px=5, width_px=4
    )
    np.testing.assert_array_equal(one[..., :2], same[..., :2])
    assert (one[..., :2] != other[..., :2]).any() and (pose != other_pose).any()


def test_counts_sizes_and_order(stand_in, tmp_path):
    builder = sources.prepare("procedural_faces/small", data_dir=str(tmp_path))
    assert {k: v.num_examples for k, v in builder.info.splits.items()} == {
        "train": 400,
        "validation": 48,
        "test": 48,
    }
    pairs = sources.load("procedural_faces/small", "test", data_dir=str(tmp_path))
    assert pairs.id[:2] == ["test-0000-00", "test-0001-00"]
    assert pairs.identity.tolist() == list(range(448, 496))
    assert pairs.photo[0].shape == (160, 128, 3) and pairs.sketch[0].shape == (160, 128, 1)
    drawn = next(faces.draw([(0, 0)], "test", height_px=160, width_px=128))
    np.testing.assert_array_equal(pairs.photo[0], drawn[0])


def test_configs_as_documented():
    configs = {c.name: c for c in faces.Builder.BUILDER_CONFIGS}
    assert {n: (c.width_px, c.height_px) for n, c in configs.items()} == {
        "small": (128, 160),
        "full": (200, 250),
        "recognition": (64, 80),
        "tiny": (24, 30),
    }
    assert configs["full"].validation == (50, 1) and configs["full"].test == (100, 1)
    assert configs["recognition"].train == (256, 16) and configs["recognition"].test == (64, 4)
    assert tfds.builder_cls("procedural_faces") is faces.Builder


def test_sources_are_all_modules_that_the_renderer_imports():
    """Otherwise a change of the renderer could leave old images in use."""
    folder = Path(data.__path__[0])
    reached, waiting = set(), ["synthetic/procedural"]
    while waiting:
        reached.add(name := waiting.pop())
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "fsketch.data.synthetic":
                found = [f"synthetic/{alias.name}" for alias in node.names]
                waiting += [name for name in found if name not in reached]
    assert reached == {*faces.SOURCES}


def test_the_renderer_has_the_form_that_the_builder_expects():
    """Traced only: compiling it takes longer than all of these tests."""

    def one(key):
        identity, view = procedural.sample_identity(key), procedural.sample_view(key)
        return procedural.render_batch(identity[None], view[None], height_px=20, width_px=16)

    face = jax.eval_shape(one, faces.person_key("train", 0))
    assert face.photo.shape == (1, 20, 16, 3) and face.sketch.shape == (1, 20, 16, 1)
    assert face.photo.dtype == face.sketch.dtype == np.float32
