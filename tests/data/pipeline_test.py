"""Order, resume, sharding, padding: what makes a run repeatable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.configs import shared
from fsketch.data import augment, pipeline, records


def pairs(sizes, *, value=lambda i: 10 * i):
    depths = {"photo": 3, "sketch": 1}
    return records.Pairs(
        images=[
            {kind: np.full((h, w, depth), value(i), np.uint8) for kind, depth in depths.items()}
            for i, (h, w) in enumerate(sizes)
        ],
        kinds=tuple(depths),
        id=[f"p{i}" for i in range(len(sizes))],
        identity=np.arange(len(sizes), dtype=np.int32),
    )


def placed(count=5, **options):
    options = {"canvas_px": 8, "fill_photo": 255, "fill_sketch": 250, **options}
    return pipeline.place(pairs([(6, 4)] * count), **options)


def test_place_and_cut_are_inverse():
    canvases = pipeline.place(
        pairs([(6, 4), (8, 8), (5, 3)]), canvas_px=8, fill_photo=255, fill_sketch=250
    )
    assert canvases.photo.shape == (3, 8, 8, 3)
    assert canvases.box[0].tolist() == [1, 2, 6, 4]
    assert canvases.photo[0, 0, 0].tolist() == [255, 255, 255]
    assert canvases.sketch[0, 0, 0].tolist() == [250]
    for i, size in enumerate([(6, 4), (8, 8), (5, 3)]):
        cut = pipeline.cut(canvases.photo[i], canvases.box[i])
        assert cut.shape == (*size, 3)
        assert (cut == 10 * i).all()


def test_stored_pairs_are_those_in_memory():
    given = pairs([(6, 4), (8, 8), (5, 3)])
    coarse = [np.full((*image.shape[:2], 1), 7, np.uint8) for image in given.photo]
    options = {"canvas_px": 8, "fill_photo": 1, "fill_sketch": 2, "coarse": coarse}
    needed_mb = 3 * 8 * 8 * 5 / 2**20
    memory = pipeline.place(given, **options, memory_mb=needed_mb)
    stored = pipeline.place(given, **options, memory_mb=0.99 * needed_mb)
    assert isinstance(memory, pipeline.Canvases) and not isinstance(stored, pipeline.Canvases)
    assert stored.channels == memory.channels == {"photo": 3, "sketch": 1, "coarse": 1}
    for one, other, places in (
        (memory, stored, [2, 0, 0]),
        (memory.take([2, 1]), stored.take([2, 1]), [1]),
    ):
        assert one.id == other.id and len(one) == len(other)
        one, other = (canvases.batch(np.array(places)) for canvases in (one, other))
        assert one.keys() == other.keys() == {"photo", "sketch", "coarse", "identity", "box"}
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


def test_a_stream_read_ahead_is_that_of_single_batches():
    options = {"batch_size": 4, "seed": 3, "process": 1, "num_processes": 2}
    for canvases in (placed(), placed(memory_mb=0)):
        stream = pipeline.training_batches(canvases, 5, **options, num_workers=0)
        for position in (5, 9, 13, 17):
            batch, alone = next(stream), pipeline.training_batch(canvases, position, **options)
            assert batch.keys() == alone.keys() == {"photo", "sketch", "identity"}
            for name in alone:
                np.testing.assert_array_equal(batch[name], alone[name])
        stream.close()


def test_fills_are_colours_or_mirror_images():
    data = shared.get_config().data
    data.fill_photo = 7
    assert pipeline.fills(data) == {"fill_photo": 7, "fill_sketch": 0}
    data.fill_mirrored = True
    canvases = pipeline.place(pairs([(6, 4)] * 2), canvas_px=8, **pipeline.fills(data))
    assert (canvases.photo[1] == 10).all() and (
        canvases.sketch[1] == canvases.sketch[1, 3, 3]
    ).all()


def test_a_pair_larger_than_the_canvas_is_named():
    given, options = pairs([(6, 4), (9, 4)]), {"canvas_px": 8, "fill_photo": 0, "fill_sketch": 0}
    with pytest.raises(ValueError, match=r"p1.*9 px.*data.canvas_px"):
        pipeline.place(given, **options)
    batches = pipeline.evaluation_batches(pipeline.place(given, **options, memory_mb=0), 1)
    assert next(batches)["index"] == [0]
    with pytest.raises(ValueError, match=r"p1.*9 px.*data.canvas_px"):
        next(batches)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="no pairs"):
        pipeline.place(pairs([]), canvas_px=8, fill_photo=0, fill_sketch=0)


def test_every_epoch_holds_each_pair_once_in_its_own_order():
    stream = pipeline.order(0, 30, num_examples=10, seed=1).reshape(3, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in stream.tolist())
    assert len({tuple(epoch) for epoch in stream.tolist()}) == 3
    assert (pipeline.order(0, 30, num_examples=10, seed=2) != stream.ravel()).any()


def test_order_does_not_depend_on_the_batch_size():
    whole = pipeline.order(0, 42, num_examples=10, seed=0)
    pieces = [pipeline.order(p, 7, num_examples=10, seed=0) for p in range(0, 42, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_processes_share_a_batch_without_overlap():
    canvases = placed(8)
    whole = pipeline.training_batch(canvases, 3, batch_size=6, seed=0)
    parts = [
        pipeline.training_batch(canvases, 3, batch_size=6, seed=0, process=p, num_processes=3)
        for p in range(3)
    ]
    for name in ("photo", "sketch", "identity"):
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), whole[name])
    with pytest.raises(ValueError, match=r"batch_size: .*got 6"):
        pipeline.training_batch(canvases, 0, batch_size=6, seed=0, num_processes=4)


def test_evaluation_visits_each_pair_once_whatever_the_batch_size():
    canvases = placed(5, memory_mb=0)
    for batch_size in (1, 2, 5, 8):
        seen = [
            int(i)
            for batch in pipeline.evaluation_batches(canvases, batch_size)
            for i in batch["index"][batch["mask"]]
        ]
        assert seen == [0, 1, 2, 3, 4]
        shapes = {b["photo"].shape for b in pipeline.evaluation_batches(canvases, batch_size)}
        assert shapes == {(batch_size, 8, 8, 3)}


def ramp(batch, size):
    """Photo and sketch whose values tell their coordinates."""
    y, x = np.mgrid[:size, :size]
    photo = np.stack([y, x, y + x], -1)[None].repeat(batch, 0).astype(np.float32)
    return {"photo": jnp.asarray(photo), "sketch": jnp.asarray(photo[..., :1] + 100.0)}


def test_photo_and_sketch_are_moved_alike():
    keys = jax.random.split(jax.random.key(0), 64)
    out = augment.random_crop_and_flip(ramp(64, 9), keys, crop_px=6, flip=True)
    assert out["photo"].shape == (64, 6, 6, 3)
    np.testing.assert_array_equal(out["sketch"][..., 0], out["photo"][..., 0] + 100.0)
    tops = set(np.asarray(out["photo"][:, 0, 0, 0]).tolist())
    steps = set(np.asarray(out["photo"][:, 0, 1, 1] - out["photo"][:, 0, 0, 1]).tolist())
    assert tops == {0.0, 1.0, 2.0, 3.0}  # every row offset occurs
    assert steps == {1.0, -1.0}  # both ways round occur


@pytest.mark.parametrize("zoom", [0.0, 0.2])
def test_a_coarse_sketch_moves_with_its_pair(zoom):
    batch = ramp(8, 9)
    keys = jax.random.split(jax.random.key(0), 8)
    pair = augment.random_crop_and_flip(batch, keys, crop_px=6, flip=True, zoom=zoom)
    batch["coarse"] = batch["sketch"] + 50.0
    out = augment.random_crop_and_flip(batch, keys, crop_px=6, flip=True, zoom=zoom)
    np.testing.assert_allclose(out["coarse"], out["sketch"] + 50.0, rtol=1e-6)
    for name in ("photo", "sketch"):
        np.testing.assert_array_equal(out[name], pair[name])


def test_an_example_depends_on_its_own_key_alone():
    keys = jax.random.split(jax.random.key(0), 8)
    together = augment.random_crop_and_flip(ramp(8, 9), keys, crop_px=6, flip=True)
    halves = [
        augment.random_crop_and_flip(ramp(4, 9), keys[i : i + 4], crop_px=6, flip=True)
        for i in (0, 4)
    ]
    np.testing.assert_array_equal(
        together["photo"], np.concatenate([half["photo"] for half in halves])
    )


def test_zoomed_pairs_move_alike_and_stay_on_the_canvas():
    keys = jax.random.split(jax.random.key(1), 64)
    crop = jax.jit(
        lambda batch: augment.random_crop_and_flip(batch, keys, crop_px=8, flip=False, zoom=0.25)
    )
    batch = ramp(64, 12)
    out = crop(batch)
    assert out["photo"].shape == (64, 8, 8, 3)
    np.testing.assert_allclose(out["sketch"][..., 0], out["photo"][..., 0] + 100.0, atol=1e-3)
    # On a ramp the step from pixel to pixel is one over the factor.
    steps = np.asarray(out["photo"][:, 4, 4, 0] - out["photo"][:, 3, 4, 0])
    assert 1 / 1.25 - 1e-3 <= steps.min() < 0.9
    assert 1.1 < steps.max() <= 1 / 0.75 + 1e-3
    columns = np.asarray(out["photo"][:, 4, 4, 1] - out["photo"][:, 4, 3, 1])
    np.testing.assert_allclose(columns, steps, atol=1e-3)  # both directions alike
    tops = np.asarray(out["photo"][:, 0, 0, 0])
    assert tops.min() >= 0 and tops.max() <= 12 - 8 / 1.25
    ones = crop({name: jnp.ones_like(image) for name, image in batch.items()})
    np.testing.assert_allclose(ones["photo"], 1.0, atol=1e-5)  # nothing from outside


def lit(photo, **limits):
    keys = jax.random.split(jax.random.key(5), len(photo))
    return augment.random_light(
        photo, keys, **{"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, **limits}
    )


def test_light_by_its_definition():
    rng = np.random.default_rng(0)
    photo = jnp.asarray(rng.uniform(-0.4, 0.4, (16, 6, 6, 3)), jnp.float32)
    grey = lambda x: np.asarray(x) @ np.array([0.299, 0.587, 0.114])  # noqa: E731
    np.testing.assert_allclose(lit(photo), photo, atol=1e-6)

    shift = np.asarray(lit(photo, brightness=0.1) - photo)  # the same at every pixel
    np.testing.assert_allclose(shift, shift[:, :1, :1, :1] * np.ones((6, 6, 3)), atol=1e-6)
    assert shift.min() >= -0.2 - 1e-6 and shift.max() <= 0.2 + 1e-6 and shift.std() > 0.05

    mean = grey(photo).mean((1, 2))[:, None, None, None]
    factor = (np.asarray(lit(photo, contrast=0.3)) - mean) / (np.asarray(photo) - mean)
    np.testing.assert_allclose(factor, factor[:, :1, :1, :1] * np.ones((6, 6, 3)), atol=1e-2)
    assert np.abs(factor - 1).max() <= 0.3 + 1e-2

    np.testing.assert_allclose(grey(lit(photo, saturation=0.5)), grey(photo), atol=1e-6)
    colourless = jnp.broadcast_to(photo[..., :1], photo.shape)
    np.testing.assert_allclose(lit(colourless, saturation=0.5), colourless, atol=1e-6)
    assert float(jnp.abs(lit(jnp.ones((4, 2, 2, 3)), brightness=0.9)).max()) <= 1.0


def settings(**changes):
    data = shared.get_config().data
    data.update({"canvas_px": 9, "crop_px": 6, **changes})
    return data


def test_light_falls_on_photos_that_are_shown_and_is_off_by_default():
    keys = jax.random.split(jax.random.key(0), 4)
    batch = {name: image / 200.0 for name, image in ramp(4, 9).items()}
    plain = augment.random_crop_and_flip(batch, keys, crop_px=6, flip=True)
    default = augment.training(batch, keys, settings())
    bright = augment.training(batch, keys, settings(brightness=0.2))
    for name in ("photo", "sketch"):
        for lit in (default, bright):
            np.testing.assert_array_equal(lit[name], plain[name])
        np.testing.assert_array_equal(augment.shown(default, name), plain[name])
    np.testing.assert_array_equal(augment.shown(bright, "sketch"), plain["sketch"])
    shift = np.asarray(augment.shown(bright, "photo") - plain["photo"])
    assert 0.01 < np.abs(shift).max() <= 0.4 + 1e-6
    np.testing.assert_allclose(shift, shift[:, :1, :1, :1] * np.ones_like(shift), atol=1e-6)


def test_parts_come_from_the_whole_canvas():
    keys = jax.random.split(jax.random.key(0), 1000)
    batch = ramp(1000, 9)
    parts = augment.training(batch, keys, settings(part_px=2, flip=False))
    assert augment.side_px(settings(part_px=2)) == 2 and augment.side_px(settings()) == 6
    whole = np.asarray(batch["photo"])
    corners = set()
    for image, photo, sketch in zip(whole, parts["photo"], parts["sketch"], strict=True):
        ((top, left),) = np.argwhere((image == photo[0, 0]).all(-1))
        np.testing.assert_array_equal(image[top : top + 2, left : left + 2], photo)
        np.testing.assert_array_equal(photo[..., 0] % 100, sketch[..., 0] % 100)
        corners.add((int(top), int(left)))
    assert len(corners) == 64  # every one of 8 x 8 places


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_px": 10}, "data.crop_px: expected at most data.canvas_px: 9, got 10"),
        ({"zoom": 0.5}, "data.zoom: .* data.canvas_px: 9 at least at data.crop_px: 6, got 0.5"),
        ({"contrast": -0.1}, "data.contrast: .*got -0.1"),
        ({"zoom": 1.0}, "data.zoom: .*got 1.0"),
        ({"part_px": 7}, "data.part_px: expected 0 up to data.crop_px: 6, got 7"),
    ],
)
def test_impossible_augmentation_names_its_field(changes, message):
    augment.check(settings())
    with pytest.raises(ValueError, match=message):
        augment.check(settings(**changes))


def test_sketches_in_colour_are_asked_for():
    colour = np.full((2, 2, 3), 7, np.uint8)
    grey, painted = (
        records.Pairs([{"photo": colour, "sketch": sketch}], augment.PAIR, ["a"], np.zeros(1))
        for sketch in (colour[..., :1], colour)
    )
    options = {"canvas_px": 4, "fill_photo": 0, "fill_sketch": 9}
    assert pipeline.place(grey, **options).sketch.shape == (1, 4, 4, 1)
    for pairs in (grey, painted):
        sketch = pipeline.place(pairs, **options, sketch_channels=3).sketch
        np.testing.assert_array_equal(sketch[0, 1:3, 1:3], colour)
        assert (sketch[0, 0] == 9).all()
    with pytest.raises(ValueError, match=r"a: expected a grey sketch.*sketch_channels: 1"):
        pipeline.place(painted, **options)


@pytest.mark.parametrize("kind", ["photo", "sketch"])
def test_one_image_alone_is_moved_as_in_its_pair(kind):
    config = shared.get_config().data
    config.canvas_px, config.crop_px, config.zoom = 12, 8, 0.1
    rng = np.random.default_rng(0)
    batch = {
        "photo": jnp.asarray(rng.integers(0, 256, (3, 12, 12, 3)), jnp.uint8),
        "sketch": jnp.asarray(rng.integers(0, 256, (3, 12, 12, 1)), jnp.uint8),
    }
    keys = jax.random.split(jax.random.key(0), 3)
    both, left = augment.apply(batch, keys, config)
    alone, same = augment.apply({kind: batch[kind], "identity": jnp.arange(3)}, keys, config)
    assert set(alone) == {kind, "identity"}
    np.testing.assert_array_equal(alone[kind], both[kind])
    assert (jax.random.key_data(left) == jax.random.key_data(same)).all()


def test_a_batch_without_images_passes():
    config = shared.get_config().data
    keys = jax.random.split(jax.random.key(0), 2)
    batch, _ = augment.apply({"identity": jnp.arange(2)}, keys, config)
    assert batch["identity"].tolist() == [0, 1] and len(batch) == 1


def test_drawn_sets_number_persons():
    canvases = pipeline.drawn("3:5*2")
    assert canvases.identity.tolist() == [3, 3, 4, 4]
    assert canvases.id == ["3-0", "3-1", "4-0", "4-1"] and not canvases.channels
    assert len(pipeline.drawn("0:7")) == 7 and len(canvases.take(range(3))) == 3
    batch = pipeline.training_batch(canvases, 0, batch_size=4, seed=0)
    assert list(batch) == ["identity"] and sorted(batch["identity"]) == [3, 3, 4, 4]
    (batch,) = pipeline.evaluation_batches(canvases, 8)
    assert batch["index"].tolist() == [0, 1, 2, 3, 3, 3, 3, 3]
    assert batch["mask"].sum() == 4


@pytest.mark.parametrize("split", ["train", "4:4", "0:4*0", "5:2", ""])
def test_other_splits_of_drawn_sets_are_refused(split):
    with pytest.raises(ValueError, match=r"split of drawn faces: .*got"):
        pipeline.drawn(split)
