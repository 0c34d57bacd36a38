"""Teacher: a face recogniser trained on photos and sketches of many identities.

KD's abstract asks for a teacher pretrained on much data of a related task [paper]; identity
recognition on procedural faces is our choice [inferred].  Photo and sketch of a pair
are two examples of one class, so the features must serve both domains.  A teacher of KT sees one
kind of image.

Player   teacher: nets/vgg.py Recogniser.
Terms    identity: softmax cross-entropy over identities, mean of all kinds of images that it sees.
"""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from fsketch.core import images, state, types
from fsketch.data import augment
from fsketch.frozen import sources
from fsketch.methods import interface, optimizers
from fsketch.nets import vgg


def exports(config: ConfigDict) -> dict[str, sources.Export]:
    """The recogniser: by its maps and, without its classes, as an embedder of whole canvases."""
    model, data = config.model, config.data
    net = {name: model[name] for name in ("widths", "depths", "norm")}
    embedder = {**net, "embedding_size": model.embedding_size}
    canvas = {"frame": "canvas", "side_px": data.crop_px, "fill": data.fill_photo}
    return {
        "maps": sources.Export("teacher", {"net": "vgg", "arguments": net}, prefix="vgg/"),
        "embedder": sources.Export(
            "teacher", {"net": "vgg", "arguments": embedder, **canvas}, unused="classifier"
        ),
    }


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/teacher.py."""
    net = vgg.Recogniser(
        num_identities=config.model.num_identities,
        widths=tuple(config.model.widths),
        depths=tuple(config.model.depths),
        norm=config.model.norm,
        embedding_size=config.model.embedding_size,
    )

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen
        return state.create(teacher=optimizers.player(key, net, config, batch["photo"]))

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del frozen, keys
        player = train_state["teacher"]

        def loss_fn(
            params: dict, batch: types.Batch
        ) -> tuple[jax.Array, tuple[dict, types.Scalars]]:
            seen = [images.to_rgb(augment.shown(batch, kind)) for kind in config.kinds]
            identity = jnp.concatenate([batch["identity"]] * len(seen))
            faces = jnp.concatenate(seen)
            (_, logits), stats = player(faces, params=params["teacher"], train=True)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, identity).mean()
            accuracy = (logits.argmax(-1) == identity).mean()
            return loss, ({"teacher": stats}, {"identity": loss, "accuracy": accuracy})

        players, terms = state.update(
            train_state.players, loss_fn, batch, num_parts=config.accumulate_steps
        )
        return train_state.put(**players).next(), state.prefixed(teacher=terms)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        player = train_state["teacher"].averaged()
        return {f"embedding_{kind}": player(images.to_rgb(batch[kind]))[0] for kind in config.kinds}

    return interface.Method(interface.loads(config), init, train_step, predict)
