"""IDE, second stage: a refiner turns the first stage's coarse sketch into a fine one.

Source     Peng et al., "Face photo-sketch synthesis via intra-domain enhancement",
           Knowledge-Based Systems 2022, by its released code [code].
Players    refiner: MLANet (nets/mla.py), the paper's generator; critic: nets/image_critic.py, its
           discriminator.
Frozen     perceptual: one map of a net (frozen/teachers.py), VGG-19's conv5_4 before its
           ReLU [code].
Terms      refiner, with z the coarse sketch at half size and y the drawn one, grey levels in 0..1:
             pixel        mean |G(z) - y|
             perceptual   mean |V(G(z)) - V(y)|
             adversarial  -log D(G(z)), D's sigmoid included
           critic: real, fake.

A batch has `coarse`: the first stage's sketch, with the size and position of the drawn one.  It is
halved by MATLAB's bicubic rule and rounded to 8 bits [inferred: the code reads such files from a
folder LR_bicubic/X2], and the net doubles it again.  A step sees one sub-image of each pair of its
batch; predictions are made of whole images [code].  A step follows the code: the refiner
moves against the current critic, then the critic on the refiner's fakes.

Sketches are grey; net and critic take them as three equal channels [code], and the prediction is
the luma of the three output channels [inferred].  Differences from the code: sub-images are drawn
uniformly for each pair, where the code shuffles a thousand copies of all of them; the critic's loss
is the mean of its two terms, not their sum; Adam cancels the factor.
"""

import jax
import jax.numpy as jnp
from jax import lax
from ml_collections import ConfigDict

from fsketch.core import images, state, types
from fsketch.data import augment
from fsketch.frozen import registry
from fsketch.losses import adversarial, reconstruction
from fsketch.methods import critics, interface, optimizers
from fsketch.nets import bicubic, image_critic, mla


def needs(config: ConfigDict) -> registry.Needs:
    """The net of the perceptual term, if its weight is not 0."""
    if not config.loss_weights.perceptual:
        return {}
    return {"perceptual": registry.Need("maps", "perceptual", {"taps": (config.perceptual.tap,)})}


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/ide.py."""
    _check(config)
    size = tuple(config.data.image_px)
    losses = adversarial.of(config.critic.loss)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen, batch  # sub-images have their own size
        refiner_key, critic_key = jax.random.split(key)
        px = config.sub_images.px
        net = mla.MLANet(
            width=config.model.width,
            num_blocks=config.model.num_blocks,
            head_px=config.model.head_px,
            pool_px=config.model.pool_px,
            relu_gate=config.model.relu_gate,
            scaled_init=config.model.scaled_init,
            dtype=config.model.dtype,
        )
        refiner = optimizers.player(refiner_key, net, config, jnp.zeros((1, px // 2, px // 2, 3)))
        judge = image_critic.ImageCritic(
            form=config.critic.form,
            width=config.critic.width,
            num_layers=config.critic.num_layers,
            dtype=config.model.dtype,
        )
        critic = state.create_player(
            critic_key,
            judge,
            optimizers.adam(config.optim, num_steps=config.num_steps),
            jnp.zeros((1, px, px, 3)),
        )
        return state.create(refiner=refiner, critic=critic)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        refiner, critic = train_state["refiner"], train_state["critic"]
        coarse, real = sub_images(
            halved(cut(_coarse(batch), size)),
            cut(batch["sketch"], size),
            keys,
            px=config.sub_images.px,
            stride_px=config.sub_images.stride_px,
            turn=config.sub_images.turn,
        )

        def features(image: jax.Array) -> jax.Array:
            (only,) = frozen["perceptual"](image).values()
            return only

        def loss_fn(
            params: dict, coarse: jax.Array, real: jax.Array
        ) -> tuple[jax.Array, tuple[dict, tuple]]:
            fake, stats = refiner(coarse, params=params["refiner"], train=True)
            formulas = {
                "pixel": lambda: reconstruction.l1(fake, real) / 2,  # of grey levels in 0..1
                "perceptual": lambda: reconstruction.l1(features(fake), features(real)),
                "adversarial": critics.formula(critic, fake, losses=losses),
            }
            terms = state.compute(formulas, config.loss_weights)
            loss = state.weigh(terms, config.loss_weights)
            return loss, ({"refiner": stats}, (terms, fake))

        coarse, real = images.to_rgb(coarse), images.to_rgb(real)
        moved, (terms, fake) = state.update(
            {"refiner": refiner}, loss_fn, coarse, real, num_parts=config.accumulate_steps
        )
        judge, verdicts = critics.update(
            {"critic": critic},
            {"critic": real},
            {"critic": fake},
            losses=losses,
            num_parts=config.accumulate_steps,
        )
        after = train_state.put(**moved, **judge).next()
        return after, state.prefixed(refiner=terms, **verdicts)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        coarse = _coarse(batch)
        low = halved(cut(coarse, size))  # B x h/2 x w/2 x 1
        fine = train_state["refiner"].averaged()(images.to_rgb(low))  # B x h x w x 3
        grey = jnp.einsum(
            "bhwc,c->bhw", fine, jnp.asarray(images.LUMA), precision=lax.Precision.HIGHEST
        )
        window = (slice(None), *_window(size, coarse.shape[1:3]))
        return {"sketch": coarse.at[window].set(jnp.clip(grey, -1, 1)[..., None])}

    return interface.Method(interface.loads(config, needs=needs), init, train_step, predict)


def cut(image: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The middle of a canvas: B x S x S x C -> B x h x w x C."""
    return image[(slice(None), *_window(size, image.shape[1:3]))]


def halved(sketch: jax.Array) -> jax.Array:
    """Half a sketch's resolution, in steps of 8-bit files: B x h x w x C -> B x h/2 x w/2 x C.

    In [-1, 1] on both sides.  Sums of 8-bit sketches are exact in float32, so the order of
    summation changes no rounding.
    """
    levels = jnp.round((sketch + 1.0) * 127.5)
    height, width = sketch.shape[1:3]
    levels = bicubic.resize(levels, (height // 2, width // 2), rule="matlab")
    return jnp.clip(jnp.floor(levels + 0.5), 0, 255) / 127.5 - 1.0


def starts(side_px: int, *, px: int, stride_px: int) -> list[int]:
    """Where sub-images begin along a side: every stride, plus one at the far border.

    starts(250, px=128, stride_px=64) is [0, 64, 122] [code].  ValueError if none fits.
    """
    if px > side_px:
        raise ValueError(
            f"sub_images.px: expected at most {side_px}, the side of an image, got {px}"
        )
    places = list(range(0, side_px - px + 1, stride_px))
    return places if places[-1] == side_px - px else [*places, side_px - px]


def sub_images(
    coarse: jax.Array,
    sketch: jax.Array,
    keys: types.Key,
    *,
    px: int,
    stride_px: int,
    turn: bool,
) -> tuple[jax.Array, jax.Array]:
    """One of the sub-images of each pair, drawn uniformly: B x px/2 x px/2 x C, B x px x px x C.

    coarse: B x h/2 x w/2 x C.  sketch: B x h x w x C.  keys: Key[B].  With `turn` both are mirrored
    left to right, upside down and transposed, each with probability 1/2.
    """
    rows, columns = (
        jnp.asarray(starts(side, px=px, stride_px=stride_px)) for side in sketch.shape[1:3]
    )

    def one(key: jax.Array, coarse: jax.Array, sketch: jax.Array) -> tuple[jax.Array, jax.Array]:
        row_key, column_key, turn_key = jax.random.split(key, 3)
        top, left = jax.random.choice(row_key, rows), jax.random.choice(column_key, columns)
        mirror, upset, transpose = jax.random.bernoulli(turn_key, 0.5, (3,))

        def part(image: jax.Array, top: jax.Array, left: jax.Array, px: int) -> jax.Array:
            image = lax.dynamic_slice(image, (top, left, 0), (px, px, image.shape[-1]))
            if turn:
                image = jnp.where(mirror, image[:, ::-1], image)
                image = jnp.where(upset, image[::-1], image)
                image = jnp.where(transpose, image.swapaxes(0, 1), image)
            return image

        return part(coarse, top // 2, left // 2, px // 2), part(sketch, top, left, px)

    return jax.vmap(one)(keys, coarse, sketch)


def _coarse(batch: types.Batch) -> jax.Array:
    if "coarse" not in batch:
        raise ValueError(
            "the batch has no `coarse` sketches; the first stage makes them: "
            "fsketch prepare --config=configs/ide.py --workdir=..."
        )
    return batch["coarse"]


def _window(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[slice, slice]:
    corner = images.centre(size, canvas)
    return tuple(slice(start, start + px) for start, px in zip(corner, size, strict=True))


def _check(config: ConfigDict) -> None:
    """Raises ValueError naming a field whose value cannot work."""
    if config.direction != "to_sketch":
        raise ValueError(
            f"direction: expected 'to_sketch', the only one of the second stage, "
            f"got {config.direction!r}"
        )
    data, parts = config.data, config.sub_images
    augment.check_unlit(data)
    even = {
        "data.image_px": data.image_px,
        "sub_images.px": (parts.px,),
        "sub_images.stride_px": (parts.stride_px,),
    }
    for name, numbers in even.items():
        if not numbers or any(number < 2 or number % 2 for number in numbers):
            raise ValueError(f"{name}: expected even numbers of pixels, got {numbers}")
    if len(data.image_px) != 2 or max(data.image_px) > data.crop_px:
        raise ValueError(
            f"data.image_px: expected a height and a width, at most "
            f"data.crop_px: {data.crop_px}, got {data.image_px}"
        )
    if data.part_px:
        raise ValueError(f"data.part_px: expected 0 (sub_images.px is used), got {data.part_px}")
    if data.canvas_px != data.crop_px or data.zoom:
        raise ValueError(
            f"data.canvas_px, data.crop_px, data.zoom: expected equal sides, no zoom (images stay "
            f"in the middle of the canvas), got {data.canvas_px}, {data.crop_px}, {data.zoom}"
        )
    if data.roll_degrees:
        raise ValueError(f"data.roll_degrees: expected 0 (likewise), got {data.roll_degrees}")
    for side in data.image_px:
        starts(side, px=parts.px, stride_px=parts.stride_px)
