"""An embedder of faces, trained to tell persons apart by margin softmax.

Source     ArcFace (CVPR 2019), CosFace (CVPR 2018): losses/margin.py.  Any
           embedder of frozen/architectures.py.
Data       photos with identities: of a data set, or drawn on the device, a new view in each step
           (data.name "drawn"; methods/drawn.py).
Player     embedder: the net and one direction per person.
Frozen     generator, of drawn faces.
Terms      margin: margin softmax.  accuracy, not trained: the share of faces whose nearest
           direction is their person's.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.data import augment, pipeline
from fsketch.frozen import architectures, embedders, registry, sources
from fsketch.losses import margin
from fsketch.methods import drawn, interface, optimizers
from fsketch.nets import classified


def needs(config: ConfigDict) -> registry.Needs:
    """The generator of drawn faces."""
    if config.data.name != pipeline.DRAWN:
        return {}
    return {"generator": registry.Need("generator", "generator")}


def exports(config: ConfigDict) -> dict[str, sources.Export]:
    """The net, without the directions of persons."""
    return embedders.export(config, "embedder", prefix="net/")


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/embedder.py."""
    loss = margin.of(config.margin.kind)
    net = classified.Classified(
        embedders.create(config.model.net, config.model.arguments), config.model.num_identities
    )
    if config.data.name == pipeline.DRAWN:
        augment.check_unlit(config.data)

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        most = max(int(batch["identity"].max()) for batch in batches)
        if most >= config.model.num_identities:
            raise ValueError(
                f"model.num_identities: expected more than {most}, the data's largest identity, "
                f"got {config.model.num_identities}"
            )
        return registry.load_all(config, needs(config))

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen, batch
        photo = jnp.zeros((1, config.data.crop_px, config.data.crop_px, 3))
        return state.create(embedder=optimizers.player(key, net, config, _adapted(photo)))

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        view_keys, net_keys = drawn.split(keys, 2)
        if "photo" in batch:
            photo = augment.shown(batch, "photo")
        else:
            photo = drawn.views(
                frozen["generator"], batch["identity"], view_keys, side_px=config.data.crop_px
            )
        player = train_state["embedder"]

        def loss_fn(
            params: dict, photo: jax.Array, identity: jax.Array, keys: types.Key
        ) -> tuple[jax.Array, tuple[dict, types.Scalars]]:
            (embedding, directions), stats = player(
                _adapted(photo), params=params["embedder"], train=True, keys=keys
            )
            cosines = margin.cosines(embedding, directions)
            value = loss(cosines, identity, scale=config.margin.scale, margin=config.margin.margin)
            accuracy = (cosines.argmax(-1) == identity).mean()
            return value, ({"embedder": stats}, {"margin": value, "accuracy": accuracy})

        players, terms = state.update(
            train_state.players,
            loss_fn,
            photo,
            batch["identity"],
            net_keys,
            num_parts=config.accumulate_steps,
        )
        return train_state.put(**players).next(), state.prefixed(embedder=terms)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        photo = drawn.photos(frozen, batch, side_px=config.data.crop_px)
        embedding, _ = train_state["embedder"].averaged()(_adapted(photo))
        return {**drawn.faces(batch, photo), "embedding_photo": embedding}

    def _adapted(photo: jax.Array) -> jax.Array:
        return architectures.ARCHITECTURES[config.model.net].adapt(photo)

    return interface.Method(freeze, init, train_step, predict)
