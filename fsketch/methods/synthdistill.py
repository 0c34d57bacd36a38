"""SynthDistill: a small face embedder learns a large one's embeddings of generated faces.

Source     Otroshi Shahreza et al., IJCB 2023 (arXiv 2308.14852); everything below as in its code
           [code: github.com/otroshi/synthdistill], unless stated.
Player     student: any embedder of frozen/architectures.py, the paper's TinyFaR.
Frozen     teacher: an embedder, whose embeddings are taken raw; one of another side than the
           student's, data.crop_px, sees the same faces resized [ours].  generator: latents ->
           faces.
Terms      mse: mean over batch and numbers of (student - teacher)^2.  The cosine between the two is
           logged and decides how far latents move.

A step is two optimizer steps.  The first takes faces of fresh latents w; with the cosines of these
embeddings before the update, the second takes faces of

    w'_i = w_i + alpha c_i n_i,    c_i = (cos_i + 1) / 2,    n_i normal,

so that it moves far from faces the student has learned and varies the others little.  This is
`resampling` "dynamic"; "static" has c_i = 1; with "none" the second step also takes fresh latents,
so that all three see as many faces [inferred: the abstract names no such variants].
No image is read: the loop's batch is ignored.  Validation also takes generated faces, but the same
ones every time, where the code draws others, so that scores of different steps compare.
"""

import functools
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.data import augment
from fsketch.frozen import architectures, embedders, registry, sources
from fsketch.methods import drawn, interface, optimizers
from fsketch.metrics import verification

RESAMPLING = ("dynamic", "static", "none")
UPDATES = 2  # optimizer steps of a step


def needs(config: ConfigDict) -> registry.Needs:
    """The teacher and the generator."""
    del config
    return {
        "teacher": registry.Need("embedder", "embedder"),
        "generator": registry.Need("generator", "generator"),
    }


def exports(config: ConfigDict) -> dict[str, sources.Export]:
    """The student, an embedder."""
    return embedders.export(config, "student")


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/synthdistill.py."""
    if config.resampling not in RESAMPLING:
        raise ValueError(f"resampling: expected one of {RESAMPLING}, got {config.resampling!r}")
    augment.check_unlit(config.data)
    net = embedders.create(config.model.net, config.model.arguments)
    side = config.data.crop_px

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        del batches
        return registry.load_all(config, needs(config))

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del batch
        embedders.check_faces(frozen["teacher"], field="embedder")
        photo = jnp.zeros((1, side, side, 3))
        tx = optimizers.adam(config.optim, num_steps=UPDATES * config.num_steps)
        student = state.create_player(key, net, tx, _adapted(photo), ema_rate=config.optim.ema_rate)
        taught = functools.partial(embedders.of_faces, frozen["teacher"])
        shapes = [jax.eval_shape(f, photo).shape for f in (taught, student)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"model.arguments: expected embeddings of {shapes[0][1]} numbers, the teacher's, "
                f"got {shapes[1][1]}"
            )
        return state.create(student=student)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del batch
        generator = frozen["generator"]
        latent, face, new_latent, new_face = drawn.split(keys, 4)
        w = generator.latents(latent)
        student, first, cosine = _learn(train_state["student"], frozen, w, face)
        if config.resampling == "none":
            w = generator.latents(new_latent)
        else:
            c = (cosine + 1) / 2 if config.resampling == "dynamic" else jnp.ones_like(cosine)
            n = jax.vmap(lambda key: jax.random.normal(key, w.shape[1:]))(new_latent)
            w = w + config.resampling_coefficient * c[:, None] * n
        student, second, _ = _learn(student, frozen, w, new_face)
        terms = {**first, **{f"{name}_again": value for name, value in second.items()}}
        return train_state.put(student=student).next(), state.prefixed(student=terms)

    def _learn(
        student: state.Player, frozen: interface.Frozens, w: jax.Array, keys: types.Key
    ) -> tuple[state.Player, types.Scalars, jax.Array]:
        """(the student after an optimizer step on faces of w, terms, cosines [B] before it)."""
        noise, own = drawn.split(keys, 2)
        photo = frozen["generator"].face(w, noise, size_px=side)
        target = embedders.of_faces(frozen["teacher"], photo)

        def loss_fn(
            params: dict, photo: jax.Array, target: jax.Array, keys: types.Key
        ) -> tuple[jax.Array, tuple[dict, tuple]]:
            embedding, stats = student(
                _adapted(photo), params=params["student"], train=True, keys=keys
            )
            mse = jnp.square(embedding - target).mean()
            cosine = verification.cosine(embedding, target)
            return mse, ({"student": stats}, ({"mse": mse, "cosine": cosine.mean()}, cosine))

        players, (terms, cosine) = state.update(
            {"student": student}, loss_fn, photo, target, own, num_parts=config.accumulate_steps
        )
        return players["student"], terms, cosine

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        photo = drawn.photos(frozen, batch, side_px=side)
        return {
            **drawn.faces(batch, photo),
            "embedding_student": train_state["student"].averaged()(_adapted(photo)),
            "embedding_teacher": embedders.of_faces(frozen["teacher"], photo),
        }

    def _adapted(photo: jax.Array) -> jax.Array:
        return architectures.ARCHITECTURES[config.model.net].adapt(photo)

    return interface.Method(freeze, init, train_step, predict)
