"""What frozen nets see, remembered: the right images, within the memory given.

That training gives the same bits is in train_test.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fsketch.configs import kd, kt, pix2pix

from fsketch import methods, recall
from fsketch.core import parallel
from fsketch.data import augment
from fsketch.frozen import pretrained
from fsketch.methods import students

SIZE = 32


def mirrored_only(config):
    config.data.canvas_px = config.data.crop_px = SIZE
    return config


def batch_of(count, *, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "photo": rng.integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8),
        "sketch": rng.integers(0, 256, (count, SIZE, SIZE, 1)).astype(np.uint8),
    }


@pytest.fixture
def ready(tiny):
    """A function: experiment, data fields -> (data, frozen nets, a Recall for 2 MB)."""

    def make(experiment, *, limit_mb=2, **fields):
        config = mirrored_only(tiny(experiment))
        config.data.update(fields)
        one = augment.scale({k: jnp.asarray(x) for k, x in batch_of(1).items()})
        frozen = methods.create(config).freeze([one] * 2)
        return (
            config.data,
            frozen,
            recall.Recall(frozen, config.data, limit_mb=limit_mb, num_pairs=8),
        )

    return make


def seen(nets, batch, told):
    """What nets by domain see in a batch whose examples are mirrored where told."""
    images = {}
    for domain in nets:
        scaled = np.asarray(augment.scale(batch)[domain])
        images[domain] = np.stack(
            [x[:, ::-1] if t else x for x, t in zip(scaled, told, strict=True)]
        )
    return jax.jit(lambda nets, images: {d: net(images[d]) for d, net in nets.items()})(
        nets, images
    )


def assert_close(maps, expected):
    for domain, taps in expected.items():
        for tap, x in taps.items():
            np.testing.assert_allclose(
                parallel.join(maps[domain][tap]), x, atol=1e-5 * float(x.max()), err_msg=tap
            )


def test_maps_are_those_of_the_mirrored_images_from_memory_too(ready):
    data, frozen, remember = ready(kt, limit_mb=100)
    nets = {net.domains[0]: net for net in frozen.values()}
    replicated, batch = parallel.replicate(frozen), batch_of(8)
    computed = 0
    for step in range(8):
        before = len(remember._known)
        keys = parallel.step_keys(0, step, global_batch=8)
        maps = remember(replicated, parallel.split(batch), keys)
        computed += len(remember._known) > before
        if step in (0, 7):
            told = np.asarray(augment.mirrored(keys.reshape(-1), data))
            assert_close(maps, seen(nets, batch, told))
    assert computed < 8 and isinstance(maps["photo"]["t1"], np.ndarray)  # the last from memory
    assert len(remember._known) == 2 * 2 * 8  # domains x mirror images x pairs


def test_a_full_memory_keeps_what_it_has(ready):
    _, frozen, remember = ready(kd, flip=False, limit_mb=1)
    replicated, keys = parallel.replicate(frozen), parallel.step_keys(0, 1, global_batch=8)
    nets = dict.fromkeys(("photo", "sketch"), frozen["teacher"])
    names = []
    for seed in (0, 1, 0):
        batch = batch_of(8, seed=seed)
        maps = remember(replicated, parallel.split(batch), keys)
        names.append(set(remember._known))
        assert isinstance(maps["photo"]["t1"], jax.Array)  # computed
    assert_close(maps, seen(nets, batch, [False] * 8))
    assert names[0] == names[2] and len(names[0]) == 8  # four pairs
    sizes = [sum(x.nbytes for x in taps.values()) for taps in remember._known.values()]
    assert sum(sizes) == remember._used <= 10**6


def test_a_method_takes_maps_from_the_batch(ready):
    _, frozen, _ = ready(kd)
    maps = {domain: {"t1": jnp.zeros(())} for domain in ("photo", "sketch")}
    assert students.look(dict.fromkeys(maps, frozen["teacher"]), {"maps": maps}) == maps


def test_another_image_change_or_net_has_another_key(tiny_teacher):
    frozen = pretrained.load_teacher(tiny_teacher, ())
    image = batch_of(1)["photo"][0]
    digest = recall.net_digest(frozen)
    same = recall.key(digest, image.copy(), False)
    assert same == recall.key(recall.net_digest(frozen.replace()), image, False)
    other = image.copy()
    other[-1, -1, -1] ^= 1
    taps = pretrained.load_teacher(tiny_teacher, ("conv1", "fire2", "fire4"))
    weights = jax.tree.map(np.copy, frozen.variables)
    weights["params"]["net"]["fire2"]["squeeze"]["bias"][0] += 1e-3
    constants = {**frozen.variables, "constants": {"rms": np.full(3, 2, np.float32)}}
    keys = {
        same,
        recall.key(digest, image, True),
        recall.key(digest, other, False),
        recall.key(digest, image.reshape(SIZE * 2, -1, 3), False),
        *(
            recall.key(recall.net_digest(net), image, False)
            for net in (
                taps,
                frozen.replace(variables=weights),
                frozen.replace(variables=constants),
            )
        ),
    }
    assert len(keys) == 7


def test_mirroring_is_known_beforehand(tiny):
    data = mirrored_only(tiny(kd)).data
    keys = jax.random.split(jax.random.key(3), 32)
    batch = {name: jnp.asarray(image) for name, image in batch_of(32).items()}
    changed, _ = jax.jit(lambda batch, keys: augment.apply(batch, keys, data))(batch, keys)
    told = np.asarray(augment.mirrored(keys, data))
    assert 0 < told.sum() < 32
    for i, flipped in enumerate(told):
        expected = augment.scale(batch)["photo"][i]
        expected = expected[:, ::-1] if flipped else expected
        np.testing.assert_allclose(changed["photo"][i], expected, atol=1e-6)
    data.flip = False
    assert not np.asarray(augment.mirrored(keys, data)).any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"canvas_px": 40},
            r"cache_mb: 2, but data\.crop_px: 32 of data\.canvas_px: 40 is cut out",
        ),
        ({"part_px": 16}, r"but data\.part_px: 16 is cut out"),
        ({"zoom": 0.1}, r"but data\.zoom: 0\.1 is random"),
        ({"saturation": 0.2}, r"but data\.saturation: 0\.2 is random"),
    ],
)
def test_other_augmentation_is_refused_with_the_field(fields, message, ready):
    with pytest.raises(ValueError, match=message):
        ready(kd, **fields)


def test_what_cannot_serve_is_refused(ready, tiny):
    with pytest.raises(ValueError, match=r"cache_mb: 0, but one pair takes \d\.\d MB"):
        ready(kd, limit_mb=0)
    with pytest.raises(ValueError, match="no frozen net of this method sees"):
        recall.Recall({}, mirrored_only(tiny(pix2pix)).data, limit_mb=1, num_pairs=1)
