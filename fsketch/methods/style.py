"""Style: a feed-forward network that paints any photo in the style of one image.

Source     Johnson et al., ECCV 2016 (nets/style.py, losses/perceptual.py).
Player     stylist: photo -> the photo in its style; one network a style.
Frozen     teacher: unchanged maps of a recogniser, with the style image's Gram matrices beside
           its weights; so a workdir no longer needs the style image.
Terms      content: the maps `content_tap` of the photo and of the result; style: Gram
           matrices of the maps `teacher.taps`; total_variation.

It needs only photos.  The result takes a sketch's place, in colour (data.sketch_channels = 3), so
that `fsketch synthesize --direction=to_sketch` stylises images with a run; the scores of an
evaluation compare with the pairs' sketches and say nothing of the style.
"""

import json
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch.core import images, state, types
from fsketch.data import augment
from fsketch.data.synthetic import paintings
from fsketch.frozen import registry
from fsketch.losses import perceptual
from fsketch.methods import interface, optimizers
from fsketch.nets import style


def needs(config: ConfigDict) -> registry.Needs:
    """The teacher with the maps of both terms."""
    also = filter(None, [config.style.content_tap])
    return {
        "teacher": registry.Need("maps", "teacher", {"taps": config.teacher.taps, "also": [*also]})
    }


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/style.py."""
    asked = {name: config.style[name] for name in ("image", "size_px", "seed")}

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        del batches
        image = paintings.load(
            config.style.image, size_px=config.style.size_px, seed=config.style.seed
        )
        (teacher,) = registry.load_all(config, needs(config)).values()
        taps = json.loads(teacher.spec)["taps"]
        shown = images.from_uint8(jnp.asarray(image))[None]
        maps = jax.jit(lambda net, image: net(image))(teacher, shown)
        grams = {tap: perceptual.gram(maps[tap])[0] for tap in taps}
        spec = json.dumps({**json.loads(teacher.spec), "style": asked})
        variables = {**teacher.variables, "style": jax.device_get(grams)}
        return {"teacher": teacher.replace(variables=variables, spec=spec)}

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        kept = json.loads(frozen["teacher"].spec)["style"]
        if kept != asked:
            raise ValueError(
                f"style: expected {kept}, with which this workdir was started, got {asked}; use "
                "another workdir for another style"
            )
        if batch["sketch"].shape[-1] != 3:
            raise ValueError("data.sketch_channels: expected 3, as the result is in colour, got 1")
        net = style.StyleNet(
            width=config.model.width, num_blocks=config.model.num_blocks, dtype=config.model.dtype
        )
        return state.create(stylist=optimizers.player(key, net, config, batch["photo"]))

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del keys
        stylist, teacher = train_state["stylist"], frozen["teacher"]
        grams = teacher.variables["style"]
        # By default the second of the style's.
        content = config.style.content_tap or json.loads(teacher.spec)["taps"][1]
        relative = config.style.relative

        def loss_fn(
            params: dict, batch: types.Batch
        ) -> tuple[jax.Array, tuple[dict, types.Scalars]]:
            seen = augment.shown(batch, "photo")
            made, stats = stylist(seen, params=params["stylist"], train=True)
            maps, target = teacher(made), teacher(batch["photo"])[content]
            formulas = {
                "content": lambda: perceptual.content(maps[content], target, relative=relative),
                "style": lambda: perceptual.style(maps, grams, relative=relative),
                "total_variation": lambda: perceptual.total_variation(made),
            }
            terms = state.compute(formulas, config.loss_weights)
            return state.weigh(terms, config.loss_weights), ({"stylist": stats}, terms)

        players, terms = state.update(
            train_state.players, loss_fn, batch, num_parts=config.accumulate_steps
        )
        return train_state.put(**players).next(), state.prefixed(stylist=terms)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        return {"sketch": train_state["stylist"].averaged()(batch["photo"])}

    return interface.Method(freeze, init, train_step, predict)
