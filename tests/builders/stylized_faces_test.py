"""The embedded portraits; a quick stand-in draws the faces.  Prepared ones: portraits_test.py."""

import ast
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import errors
from fsketch.data import sources, warp
from fsketch.data.synthetic import imitation, paintings, procedural
from fsketch.tfds_builders.stylized_faces import stylized_faces_dataset_builder as portraits


@pytest.fixture
def stand_in(monkeypatch):
    """A slope for a face; its colour is the person's."""

    def render_batch(identities, views, *, height_px, width_px):
        slope = jnp.linspace(-1, 1, height_px)[None, :, None, None]
        colour = jnp.tanh(identities[:, None, None, :3])
        photo = jnp.broadcast_to(0.5 * slope + 0.5 * colour, (len(colour), height_px, width_px, 3))
        return procedural.Face(photo, photo[..., :1])

    monkeypatch.setattr(procedural, "render_batch", render_batch)


def test_splits_styles_and_persons(stand_in, tmp_path):
    where = {"data_dir": str(tmp_path)}
    builder = sources.prepare("stylized_faces/tiny", **where)
    assert builder.info.features["style"].names == ["scream", "mosaic", "swirls", "drawn"]
    counts = {name: info.num_examples for name, info in builder.info.splits.items()}
    assert counts == {
        "train": 8, "validation": 4, "test_seen": 4, "test_unseen": 2, "test_sketches": 2,
    }  # fmt: skip
    train = sources.load("stylized_faces/tiny", "train", **where)
    assert train.id[:3] == ["train-0000@scream", "train-0000@mosaic", "train-0001@scream"]
    assert train.identity.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    seen = sources.load("stylized_faces/tiny", "test_seen", **where)
    assert seen.identity.tolist() == [6, 7, 6, 7]
    assert all(x.shape == (32, 32, 3) for x in (*seen.photo, *seen.sketch))

    example = builder.as_data_source("test_seen")[3]
    pose = warp.Pose(*example["pose"].tolist())
    assert example["id"] == b"test-0001@mosaic" and example["style"] == 1
    np.testing.assert_allclose(
        pose, warp.draw(2026, "test-0001@mosaic", **portraits.MOVES), rtol=1e-5
    )
    moved = warp.apply(seen.photo[3], warp.draw(2026, "test-0001@mosaic", **portraits.MOVES))
    painting = paintings.paint("mosaic", size_px=64)
    corner = (37 * 7 % 32, 23 * 7 % 32)
    np.testing.assert_array_equal(seen.sketch[3], imitation.imitate(moved, painting, corner=corner))


def test_sketches_are_drawn_ones_and_grey(stand_in, tmp_path):
    drawn = sources.load("stylized_faces/tiny", "test_sketches", data_dir=str(tmp_path))
    assert drawn.id == ["test-0000@drawn", "test-0001@drawn"]
    for sketch in drawn.sketch:
        np.testing.assert_array_equal(sketch[..., 0], sketch[..., 2])
        assert sketch.std() > 10


def test_embedded_ones_read_no_folder_and_prepared_ones_do(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x").write_text("")
    with pytest.raises(errors.DataError, match="since stylized_faces/tiny reads no folder"):
        sources.prepare("stylized_faces/tiny", data_dir=str(tmp_path), manual_dir=str(tmp_path))
    with pytest.raises(errors.DataError, match="`fsketch prepare` made beside its workdir"):
        sources.prepare("stylized_faces/prepared", data_dir=str(tmp_path))
    with pytest.raises(
        errors.DataError,
        match=r"manifest\.json: expected a folder of `fsketch prep",
    ):
        sources.prepare(
            "stylized_faces/prepared",
            data_dir=str(tmp_path / "out"),
            manual_dir=str(tmp_path / "in"),
        )
    with pytest.raises(errors.DataError) as caught:
        sources.check("stylized_faces/tiny", manual_dir=str(tmp_path))
    assert "stylized_faces/prepared" in str(caught.value)


SYNTHETIC = "fsketch.data.synthetic"


def test_sources_are_all_modules_that_draw():
    """Otherwise a change of one could leave old images in use."""
    used = set()
    for node in ast.walk(ast.parse(Path(portraits.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in ("fsketch.data", SYNTHETIC):
            folder = "synthetic/" * (node.module == SYNTHETIC)
            used |= {folder + alias.name for alias in node.names}
    assert used - {"checks"} <= {*portraits.SOURCES}
    for path in portraits.Builder.source_files():
        assert path.is_file(), path


def test_seen_styles_are_those_of_the_configuration():
    from fsketch.configs import data, shared, style

    config = shared.get_config()
    data.add_portraits(config, style.get_config())
    (procedural_config,) = [c for c in portraits.Builder.BUILDER_CONFIGS if c.name == "procedural"]
    assert procedural_config.seen == config.portraits.train_styles
    assert procedural_config.unseen == config.portraits.test_styles
    moves = {name: config.portraits[name] for name in portraits.MOVES}
    assert moves == portraits.MOVES
