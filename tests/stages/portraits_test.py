"""The offline stage with stand-ins for style networks, and the builder that reads its folder."""

import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from PIL import Image

from fsketch import prepare, restore, styles, train
from fsketch.configs import data as data_sets
from fsketch.configs import shared, style
from fsketch.core import errors, state, writers
from fsketch.data import shards, sources, warp
from fsketch.frozen import registry
from fsketch.stages import portraits

SIZE = 16


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Four faces a shard, of twelve persons with two faces: 7, 1 and 4 persons a split."""
    monkeypatch.setattr(portraits, "FACES_PER_SHARD", 4)
    rng = np.random.default_rng(0)
    for person in range(12):
        for view in range(2):
            path = tmp_path / f"faces/p{person}/{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (20, 18, 3)).astype(np.uint8)).save(path)
    config = shared.get_config()
    config.method = "pix2pix"
    data_sets.add_portraits(config, style.tiny())
    data_sets.use_portraits(config, "orl")
    config.data.data_dir = str(tmp_path / "data")
    config.portraits.manual_dir = str(tmp_path / "faces")
    config.portraits.size_px = SIZE
    config.portraits.test_share, config.portraits.validation_share = 1 / 3, 1 / 12
    config.portraits.train_styles = ("plain", "mosaic")
    config.portraits.test_styles = ("swirls",)
    return config


class Painter:
    """Stands in for the style networks; counts what it is asked for."""

    def __init__(self):
        self.made = 0

    def __call__(self, name):
        def stylise(given):
            self.made += len(given)
            return [255 - x if name == "mosaic" else x // 2 for x in given]

        return stylise


def ready(config):
    found = portraits.find_faces(config.portraits, data_dir=config.data.data_dir)
    styles, seen = portraits.styles_of(config.portraits)
    content = portraits.manifest(
        config.portraits, found, networks=dict.fromkeys(styles, "-"), seen=seen
    )
    return found, content


def make(config, tmp_path, painter):
    found, content = ready(config)
    folder = portraits.folder_of(content, tmp_path)
    portraits.make(folder, content, found, painter)
    return folder, content, found


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_portrait_is_the_face_moved_then_stylised(config, tmp_path):
    folder, content, found = make(config, tmp_path, Painter())
    place = [row.split for row in found.rows].index("test")
    id = found.rows[place].id
    face = warp.square(found.photo(place), share=1.0, size_px=SIZE)
    for name in ("mosaic", "swirls", "plain"):
        (pair,) = [
            (x, p)
            for split in ("test_seen", "test_unseen")
            for x, y, i, p in examples(content, folder, split)
            if i == f"{id}@{name}"
        ]
        moved = warp.apply(face, warp.Pose(*pair[1]))
        expected = {"mosaic": 255 - moved, "swirls": moved // 2, "plain": moved}[name]
        np.testing.assert_array_equal(pair[0], expected)
        assert abs(pair[1][0]) <= 30 and 0.9 <= pair[1][1] <= 1.1


def examples(content, folder, split):
    """(portrait, photo, id, pose) straight from the zip files."""
    for place, name in shards.examples(content, split):
        (shard,) = [s for s in shards.shards(content) if place in s.places]
        id = content["faces"][place][0]
        with zipfile.ZipFile(folder / shard.name) as file:
            pixels = [
                np.asarray(Image.open(file.open(f"{kind}/{id}.png"))) for kind in (name, "photo")
            ]
            yield *pixels, f"{id}@{name}", json.loads(file.read("poses.json"))[f"{name}/{id}"]


def test_killed_it_goes_on_and_ends_with_the_same_bytes(config, tmp_path, monkeypatch):
    whole, *_ = make(config, tmp_path / "whole", Painter())
    write, written = writers.write_whole, []

    def dies(path, content):
        if len(written) == 3:  # the manifest and two shards are there
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    painter = Painter()
    with monkeypatch.context() as patch:
        patch.setattr(writers, "write_whole", dies)
        with pytest.raises(KeyboardInterrupt):
            make(config, tmp_path / "parts", painter)
    before = painter.made
    parts, *_ = make(config, tmp_path / "parts", painter)
    assert bytes_of(parts) == bytes_of(whole)
    again = Painter()
    make(config, tmp_path / "whole", again)
    assert again.made == 0 and before < painter.made


def test_processes_share_the_shards(config, tmp_path, monkeypatch):
    whole, content, _ = make(config, tmp_path / "whole", Painter())
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(portraits.multihost_utils, "sync_global_devices", lambda name: None)
    for process in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        folder, *_ = make(config, tmp_path / "shared", Painter())
        count = len(list(folder.glob("*.zip")))
        assert count == (3 if process == 0 else 6)
    assert bytes_of(folder) == bytes_of(whole)
    assert len(shards.shards(content)) == 6


def test_whatever_decides_on_the_portraits_names_another_folder(config, tmp_path):
    def name():
        return portraits.folder_of(ready(config)[1], tmp_path).name

    names = {name()}
    config.portraits.rotation_deg = 10.0
    names.add(name())
    config.portraits.train_styles = ("mosaic",)
    names.add(name())
    path = tmp_path / "faces/p0/0.png"
    Image.open(path).rotate(90).save(path)
    names.add(name())
    found, content = ready(config)
    content["networks"]["mosaic"] = "trained on"
    names.add(portraits.folder_of(content, tmp_path).name)
    assert len(names) == 5
    # A folder under a name that is not its own is refused.
    folder = portraits.folder_of(ready(config)[1], tmp_path)
    portraits.make(folder, content, found, Painter())
    with pytest.raises(ValueError, match=r"of this configuration.*delete the folder"):
        make(config, tmp_path, Painter())


def test_the_builder_reads_the_folder(config, tmp_path):
    folder, content, _ = make(config, tmp_path, Painter())
    where = {"data_dir": str(tmp_path / "data"), "manual_dir": str(folder)}
    builder = sources.prepare("stylized_faces/prepared", **where)
    assert builder.info.features["style"].names == ["plain", "mosaic", "swirls"]
    counts = {name: info.num_examples for name, info in builder.info.splits.items()}
    assert counts == {"train": 28, "validation": 4, "test_seen": 16, "test_unseen": 8}
    persons = {}
    for split in counts:
        pairs = sources.load("stylized_faces/prepared", split, **where)
        expected = list(examples(content, folder, split))
        assert pairs.id == [id for *_, id, _ in expected]
        for sketch, photo, (portrait, face, _, _) in zip(
            pairs.sketch, pairs.photo, expected, strict=True
        ):
            np.testing.assert_array_equal(sketch, portrait)
            np.testing.assert_array_equal(photo, face)
        persons[split] = set(pairs.identity.tolist())
    assert persons["test_seen"] == persons["test_unseen"]
    assert not persons["train"] & (persons["test_seen"] | persons["validation"])
    # Style by style: a slice is a style, with all test faces in one order.
    test = sources.load("stylized_faces/prepared", "test_seen", **where)
    one, other = ([id.split("@") for id in part] for part in (test.id[:8], test.id[8:]))
    assert {name for _, name in one} == {"plain"} and {name for _, name in other} == {"mosaic"}
    assert [id for id, _ in one] == [id for id, _ in other]
    example = builder.as_data_source("train")[1]
    assert example["style"] == 1 and example["pose"].shape == (4,)


def test_an_incomplete_folder_is_refused(config, tmp_path):
    folder, content, _ = make(config, tmp_path, Painter())
    names = [shard.name for shard in shards.shards(content)]
    (folder / names[1]).unlink()
    (folder / names[2]).write_bytes((folder / names[2]).read_bytes()[:50])
    (folder / "notes.txt").write_text("?")
    with pytest.raises(errors.DataError) as caught:
        sources.prepare(
            "stylized_faces/prepared", data_dir=str(tmp_path / "data"), manual_dir=str(folder)
        )
    for text in (
        f"{names[1]}: expected all shards (run `fsketch prepare` again, it goes on where it was)",
        f"{names[2]}: expected a whole shard (delete it, prepare again), got a damaged file",
        "notes.txt: expected the manifest's shards, got a stray file",
    ):
        assert text in str(caught.value)
    (folder / "manifest.json").write_text("{")
    name, report = sources.check("stylized_faces", manual_dir=str(folder))
    assert name == "stylized_faces/prepared"
    assert "unreadable" in str(report.problems)


def test_drawn_sketches_are_a_style_of_test_faces(config, tmp_path, pairs_folder):
    config.portraits.faces, config.portraits.manual_dir = "paired_folder", str(pairs_folder)
    folder, content, found = make(config, tmp_path, Painter())
    (sketch, _, id, pose), *rest = examples(content, folder, "test_sketches")
    assert len(rest) == 3 and id == f"{found.rows[10].id}@drawn"
    drawn = warp.square(found.sketch(10), share=1.0, size_px=SIZE)
    np.testing.assert_array_equal(sketch, warp.apply(drawn, warp.Pose(*pose))[..., 0])
    config.portraits.drawn = False
    assert not shards.examples(ready(config)[1], "test_sketches")


class Inverter(nn.Module):
    """A network that is quick to compile: -scale x."""

    @nn.compact
    def __call__(self, x, *, train):
        return -self.param("scale", nn.initializers.ones, (1,)) * x


def test_a_stylist_does_as_the_network_says(monkeypatch):
    player = state.create_player(jax.random.key(0), Inverter(), optax.sgd(1.0), jnp.ones((1, 3)))
    run = restore.Restored(None, style.tiny(), state.create(stylist=player), {}, 1)
    monkeypatch.setattr(restore, "run", lambda workdir, kind: run)
    monkeypatch.setattr(portraits, "BATCH_SIZE", 2)
    stylise, digest = portraits.load_stylist("run")
    given = list(np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8))
    made = stylise(given)  # three batches on three devices, the last one filled up
    np.testing.assert_array_equal(made, [255 - image for image in given])
    stronger = player.replace(params={"scale": jnp.full((1,), 2.0)})
    run = run._replace(state=state.create(stylist=stronger))
    assert portraits.load_stylist("run")[1] != digest
    run.config.method = "kd"
    with pytest.raises(ValueError, match="'style', got 'kd'"):
        portraits.load_stylist("run")


def test_the_stage_trains_what_is_missing_and_names_the_folder(config, tmp_path, monkeypatch):
    trained, painter = {}, Painter()

    def pretend(nested, workdir):
        trained[workdir.name] = nested
        assert sources.load(
            nested.data.name, "train", data_dir=str(tmp_path / "data"),
            manual_dir=nested.data.manual_dir,
        ).id[0].endswith("@plain")  # fmt: skip

    config.portraits.network.teacher.path = "none.safetensors"
    monkeypatch.setattr(train, "train", pretend)
    monkeypatch.setattr(
        portraits, "load_stylist", lambda path: (painter(path.name.split("-")[1]), path.name)
    )
    made = prepare.prepare(config, tmp_path / "run")
    assert [name.rpartition("-")[0] for name in trained] == ["style-mosaic", "style-swirls"]
    assert {nested.style.image for nested in trained.values()} == {"mosaic", "swirls"}
    assert all(nested.data.crop_px == SIZE for nested in trained.values())
    assert made.data.name == "stylized_faces/prepared"
    assert made.data.manual_dir.startswith(str(tmp_path / "portraits-"))
    content = json.loads((tmp_path / made.data.manual_dir / "manifest.json").read_text())
    assert content["networks"]["mosaic"].startswith("style-mosaic-")
    before = painter.made
    assert prepare.prepare(config, tmp_path / "run") == made and painter.made == before
    # With a folder given, nothing is made.
    assert prepare.prepare(made, tmp_path / "run") == made


def test_given_networks_that_are_missing_are_named_with_their_command(config, tmp_path):
    config.portraits.networks = str(tmp_path / "nets")
    with pytest.raises(FileNotFoundError) as caught:
        prepare.prepare(config, tmp_path / "run")
    assert "expected runs of mosaic, swirls, got none" in str(caught.value)
    command = "--config=configs/style.py --config.style.image=swirls --workdir="
    assert f"{command}{tmp_path}/nets/swirls" in str(caught.value)


def test_the_styles_farthest_from_faces_are_trained_on(config, tmp_path, tiny_teacher, monkeypatch):
    """The oracle ranks by the same distance, from the maps of the teacher itself."""
    config.portraits.train_styles, config.portraits.test_styles = (
        ("plain", "mosaic", "candy"),
        ("swirls", "pencil"),
    )
    config.portraits.num_distinct = 2
    config.portraits.network.teacher.path = tiny_teacher
    found = portraits.find_faces(config.portraits, data_dir=config.data.data_dir)
    chosen = portraits._with_distinct_styles(config, found, tmp_path).portraits
    photos = [found.photo(i)[1:-1] for i, row in enumerate(found.rows) if row.split == "train"]
    teacher = registry.load("maps", tiny_teacher)
    given = ("mosaic", "candy", "swirls", "pencil")
    ranked = [name for name, _ in styles.rank(teacher, given, photos, size_px=SIZE)]
    assert chosen.train_styles == ("plain", *ranked[:2])
    assert set(chosen.test_styles) == set(ranked[2:])
    asked = []
    monkeypatch.setattr(portraits, "_networks", lambda config, *_: asked.append(config) or {})
    with pytest.raises(KeyError):  # no network for them
        portraits.stylised_portraits(config, tmp_path / "run")
    assert asked[0].portraits.train_styles == chosen.train_styles


def test_styles_of_one_name_are_refused(config):
    config.portraits.test_styles = ("art/mosaic.png",)
    with pytest.raises(ValueError, match="expected each name once"):
        portraits.styles_of(config.portraits)
    config.portraits.test_styles = ("drawn.png",)
    with pytest.raises(ValueError, match="'drawn'"):
        portraits.styles_of(config.portraits)
