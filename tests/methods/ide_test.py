"""IDE's second stage: sub-images, the halved input, each player's loss, whole images, the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fsketch import methods
from fsketch.configs import ide as experiment
from fsketch.core import images
from fsketch.data import augment
from fsketch.methods import ide, optimizers
from fsketch.nets import convolution

pytestmark = pytest.mark.usefixtures("plain_convolutions")


def batch_of(size, crop, seed=0):
    """Photos and sketches, the coarse ones near the others, as a step gets them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:crop, :crop]
    sketch = 128 + 60 * np.sin(x / 3 + y / 5)[None, ..., None] + rng.normal(0, 30, (size, 1, 1, 1))
    coarse = sketch + rng.normal(0, 20, sketch.shape)
    photo = rng.uniform(0, 255, (size, crop, crop, 3))
    batch = {"photo": photo, "sketch": sketch, "coarse": coarse}
    batch = {name: np.clip(np.rint(image), 0, 255) for name, image in batch.items()}
    return augment.scale({name: jnp.asarray(x, jnp.uint8) for name, x in batch.items()})


def test_sub_images_begin_where_the_released_code_cuts():
    assert ide.starts(250, px=128, stride_px=64) == [0, 64, 122]
    assert ide.starts(200, px=128, stride_px=64) == [0, 64, 72]
    assert ide.starts(256, px=128, stride_px=64) == [0, 64, 128]  # no second one at the border
    assert ide.starts(128, px=128, stride_px=64) == [0]
    with pytest.raises(ValueError, match=r"sub_images\.px: expected at most 126, .*got 128"):
        ide.starts(126, px=128, stride_px=64)


def test_each_sub_image_is_one_of_nine_and_the_coarse_one_lies_under_it():
    """Values tell their coordinates; that of a coarse pixel is its upper left fine one's."""
    y, x = np.mgrid[:250, :200]
    fine = jnp.asarray(1000 * y + x, jnp.float32)[None, ..., None].repeat(64, 0)
    coarse = fine[:, ::2, ::2]
    keys = jax.random.split(jax.random.key(0), 64)
    cut = jax.jit(ide.sub_images, static_argnames=("px", "stride_px", "turn"))
    low, high = cut(coarse, fine, keys, px=128, stride_px=64, turn=False)
    assert (low.shape, high.shape) == ((64, 64, 64, 1), (64, 128, 128, 1))
    np.testing.assert_array_equal(low, high[:, ::2, ::2])
    corners = set(np.asarray(high[:, 0, 0, 0]).astype(int).tolist())
    assert corners == {1000 * top + left for top in (0, 64, 122) for left in (0, 64, 72)}

    # An example depends on its own key, and both of its images are turned alike.
    turned_low, turned = cut(coarse, fine, keys, px=128, stride_px=64, turn=True)
    forms = set()
    for a, b, was in zip(turned_low[..., 0], turned[..., 0], high[..., 0], strict=True):
        a, b, was = (np.asarray(image) for image in (a, b, was))
        options = {
            (mirror, upset, transpose): (was[:: -1 if upset else 1, :: -1 if mirror else 1]).T
            if transpose
            else was[:: -1 if upset else 1, :: -1 if mirror else 1]
            for mirror in (0, 1)
            for upset in (0, 1)
            for transpose in (0, 1)
        }
        (form,) = (form for form, image in options.items() if (image == b).all())
        forms.add(form)
        blocks = b.reshape(64, 2, 64, 2)
        np.testing.assert_array_equal(a, blocks.min((1, 3)))
    assert len(forms) == 8
    alone = cut(coarse[5:6], fine[5:6], keys[5:6], px=128, stride_px=64, turn=True)
    np.testing.assert_array_equal(alone[1][0], turned[5])


@pytest.mark.usefixtures("full_optimization")
def test_the_input_is_what_an_8_bit_file_of_half_the_size_would_hold():
    levels = np.random.default_rng(0).integers(0, 256, (30, 24)).astype(np.uint8)
    levels[:15] = np.where(np.arange(24) < 11, 0, 255)  # overshoots at both ends
    sketch = images.from_uint8(jnp.asarray(levels)[None, ..., None])
    found = ide.halved(sketch)
    # Pillow's kernel is MATLAB's; the border is mirrored by hand.
    mirrored = np.pad(levels, 8, mode="symmetric").astype(np.float32)
    half = np.asarray(Image.fromarray(mirrored).resize((20, 23), Image.Resampling.BICUBIC))
    expected = np.clip(np.floor(half[4:-4, 4:-4].astype(np.float64) + 0.5), 0, 255)
    np.testing.assert_array_equal(images.to_uint8(found)[0, ..., 0], expected)
    assert half.min() < -5 and half.max() > 260


def small(**sections):
    """Tiny, without a perceptual net, on sub-images that are the whole image."""
    config = experiment.tiny()
    with config.unlocked():
        config.loss_weights.perceptual = 0.0
        config.data.image_px = (16, 16)
        config.data.canvas_px = config.data.crop_px = 20
        config.sub_images.px, config.sub_images.turn = 16, False
        for name, fields in sections.items():
            config[name].update(fields)
    return config


@pytest.fixture(scope="module")
def start():
    """The state at step 0 of `small()`, which its loss weights do not change."""
    with convolution.plain():
        init = jax.jit(lambda key: methods.create(small()).init(key, {}, {}))
        return jax.device_get(init(jax.random.key(0)))


def test_each_player_moves_by_its_own_loss_against_the_other_as_it_was(start):
    """Adam's first moments against gradients written down here from the nets alone."""
    weights = {"pixel": 1e-2, "adversarial": 0.5}
    config = small(loss_weights=weights, critic={"loss": "non_saturating"})
    method = methods.create(config)
    batch = batch_of(2, 20)
    step = jax.pmap(method.train_step, axis_name="device", devices=jax.devices()[:1])
    keys = jax.random.split(jax.random.key(7), 2)
    alone = jax.tree.map(lambda x: jnp.asarray(x)[None], (start, {}, batch, keys))
    after, scalars = jax.tree.map(lambda x: x[0], step(*alone))

    window = slice(2, 18)  # 16 in the middle of 20
    real = batch["sketch"][:, window, window].repeat(3, -1)
    coarse = ide.halved(batch["coarse"][:, window, window]).repeat(3, -1)
    refiner, critic = start["refiner"], start["critic"]

    def judged(params, image):
        variables = {"params": params, **critic.stats}
        return critic.net.apply(variables, image, train=True, mutable=["batch_stats"])[0]

    def refiner_loss(params):
        fake = refiner.net.apply({"params": params}, coarse)
        pixel = jnp.abs((fake + 1) / 2 - (real + 1) / 2).mean()
        return 1e-2 * pixel - 0.5 * jnp.log(jax.nn.sigmoid(judged(critic.params, fake))).mean()

    def critic_loss(params):
        fake = refiner.net.apply({"params": refiner.params}, coarse)  # before the refiner's step
        on_real, on_fake = jax.nn.sigmoid(judged(params, real)), judged(params, fake)
        return -(jnp.log(on_real).mean() + jnp.log(jax.nn.sigmoid(-on_fake)).mean()) / 2

    for role, loss in (("refiner", refiner_loss), ("critic", critic_loss)):
        value, gradient = jax.jit(jax.value_and_grad(loss))(start[role].params)
        moments = after[role].opt_state[0].mu
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient))
        assert scale > 0
        jax.tree.map(
            lambda m, g, scale=scale: np.testing.assert_allclose(m / 0.1, g, atol=1e-4 * scale),
            moments,
            gradient,
        )
        if role == "refiner":
            weighed = 1e-2 * scalars["refiner/pixel"] + 0.5 * scalars["refiner/adversarial"]
        else:
            weighed = (scalars["critic/real"] + scalars["critic/fake"]) / 2
        assert float(weighed) == pytest.approx(float(value), rel=1e-4)


def test_a_prediction_is_the_net_on_the_whole_image_in_its_place(start):
    predict = jax.jit(methods.create(small()).predict)
    batch = batch_of(2, 20)
    found = predict(start, {}, batch)["sketch"]
    window = (slice(None), slice(2, 18), slice(2, 18))
    coarse = ide.halved(batch["coarse"][window]).repeat(3, -1)
    fine = jax.jit(lambda player, low: player(low))(start["refiner"], coarse)
    luma = 0.299 * fine[..., 0] + 0.587 * fine[..., 1] + 0.114 * fine[..., 2]
    np.testing.assert_allclose(found[window][..., 0], jnp.clip(luma, -1, 1), atol=1e-5)
    outside = np.ones((20, 20), bool)
    outside[2:18, 2:18] = False
    np.testing.assert_array_equal(found[:, outside], batch["coarse"][:, outside])

    # The drawn sketch is not looked at.
    other = predict(start, {}, {**batch, "sketch": -batch["sketch"]})["sketch"]
    np.testing.assert_array_equal(found, other)


def test_a_batch_without_coarse_sketches_is_refused_with_the_command_that_makes_them(start):
    method = methods.create(small())
    batch = {name: image for name, image in batch_of(2, 20).items() if name != "coarse"}
    for use in (
        lambda: jax.eval_shape(method.predict, start, {}, batch),
        lambda: method.train_step(start, {}, batch, jax.random.split(jax.random.key(0), 2)),
    ):
        with pytest.raises(ValueError, match=r"no `coarse` sketches.*fsketch prepare --config=con"):
            use()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"image_px": ()}}, r"data\.image_px: expected even numbers .*got \(\)"),
        (
            {"data": {"image_px": (15, 16)}},
            r"data\.image_px: expected even numbers .*got \(15, 16\)",
        ),
        ({"data": {"image_px": (22, 16)}}, r"data\.image_px: .* at most data\.crop_px: 20"),
        ({"data": {"canvas_px": 24}}, r"data\.canvas_px, .*stay in the middle.*got 24"),
        ({"data": {"part_px": 16}}, r"data\.part_px: expected 0 .*got 16"),
        ({"data": {"zoom": 0.1}}, r"data\.zoom: .*images stay.*, 0\.1$"),
        ({"sub_images": {"px": 18}}, r"sub_images\.px: expected at most 16, .*got 18"),
        (
            {"sub_images": {"stride_px": 3}},
            r"sub_images\.stride_px: expected even numbers .*got \(3,\)",
        ),
        ({"critic": {"loss": "vanilla"}}, r"critic\.loss: .*got 'vanilla'"),
    ],
)
def test_impossible_fields_are_named(sections, message):
    with pytest.raises(ValueError, match=message):
        methods.create(small(**sections))


def test_the_other_direction_is_refused():
    config = small()
    config.direction = "to_photo"
    with pytest.raises(ValueError, match=r"direction: expected 'to_sketch'.*got 'to_photo'"):
        methods.create(config)


def test_the_rate_is_halved_at_the_released_steps():
    config = experiment.get_config("data=cuhk")
    tx = optimizers.adam(config.optim, num_steps=config.num_steps)
    params = {"x": jnp.zeros(())}
    state = tx.init(params)

    def step_after(count):
        """The first Adam moves by the rate; `count` is the number of steps before."""
        after = jax.tree.map(lambda x: x, state)
        adam, schedule = after
        moved, _ = tx.update({"x": jnp.ones(())}, (adam, schedule._replace(count=count)), params)
        return -float(moved["x"])

    for count, expected in (
        (0, 1e-4), (49_999, 1e-4), (50_000, 5e-5), (99_999, 5e-5), (100_000, 2.5e-5),
        (200_000, 1.25e-5), (299_999, 1.25e-5), (300_000, 6.25e-6),
    ):  # fmt: skip
        assert step_after(jnp.asarray(count)) == pytest.approx(expected, rel=1e-4), count


def test_the_released_numbers_stand_in_the_configuration():
    config = experiment.get_config("data=cuhk")
    assert config.loss_weights.to_dict() == {"pixel": 1e-2, "perceptual": 1.0, "adversarial": 5e-3}
    assert (config.batch_size, config.num_steps) == (20, 300_000)
    assert (config.optim.b1, config.optim.b2) == (0.9, 0.999)
    assert experiment.get_config("data=cuhk,critic=paper").critic.form == "paper"
    start = jax.eval_shape(methods.create(config).init, jax.random.key(0), {}, {})
    counts = {
        role: sum(leaf.size for leaf in jax.tree.leaves(player.params))
        for role, player in start.players.items()
    }
    assert counts == {"refiner": 3_068_290, "critic": 14_499_401}
