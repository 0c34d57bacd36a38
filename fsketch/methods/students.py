"""Code shared by KT and KD: two students that learn from teachers' maps and from each other.

Players    student_sketch (the papers' photo->sketch), student_photo (sketch->photo).
Terms, for each student (x its input, y its target, T the teacher of an image's domain):
    reconstruction  mean |S(x) - y|
    mimic           encoder maps against T(x)
    transform       decoder maps against T(y)
    mutual          its maps against its peer's of the same domain, the peer held constant
    ssim            1 - SSIM of S(x) and y [ours]
    fsim            1 - FSIM of S(x) and y [ours]
    texture         Gram matrices of T(S(x)) against those of T(y), relative [ours]
    roughness       local madograms of S(x) and y (losses/strokes.py) [ours]
A term whose weight is 0 is not computed; without mimic, transform and texture there is no teacher.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.data import augment
from fsketch.frozen import registry
from fsketch.frozen import teachers as teacher_nets
from fsketch.losses import perceptual, reconstruction, similarity, strokes, transfer
from fsketch.methods import optimizers
from fsketch.nets import students as nets

DOMAINS = ("photo", "sketch")
ROLES = {"student_sketch": ("photo", "sketch"), "student_photo": ("sketch", "photo")}
PEERS = {"student_sketch": "student_photo", "student_photo": "student_sketch"}

Teachers = Mapping[str, state.Frozen]  # by the domain of the images they see
Outputs = dict[str, tuple[jax.Array, types.Taps, types.Taps]]  # role -> fake, taps, matched taps


def needs(config: ConfigDict, domains: Mapping[str, Sequence[str]]) -> registry.Needs:
    """The teachers by role, if a weighted term compares with one; domains: those that each sees.

    The role's section of the configuration names the net.
    """
    if not any(config.loss_weights[term] for term in ("mimic", "transform", "texture")):
        return {}
    return {
        role: registry.Need("teacher", role, {"taps": config[role].taps, "domains": seen})
        for role, seen in domains.items()
    }


def freeze(
    config: ConfigDict, teachers: registry.Needs, batches: Iterable[types.Batch]
) -> dict[str, state.Frozen]:
    """The teachers, calibrated on the first of these training pairs."""
    nets = registry.load_all(config, teachers)
    counts = {role: config[role].num_calibration for role in nets}
    first = list(itertools.islice(batches, max(counts.values(), default=0)))
    return {role: teacher_nets.calibrate(net, first[: counts[role]]) for role, net in nets.items()}


def create(
    key: types.Key, config: ConfigDict, teachers: Teachers, batch: types.Batch
) -> dict[str, state.Player]:
    """The two students for images and teachers like these; see nets/students.py."""
    maps = {
        domain: teacher_nets.map_shapes(teacher, batch[domain])
        for domain, teacher in teachers.items()
    }
    players = {}
    for (role, (source, target)), role_key in zip(
        ROLES.items(), jax.random.split(key), strict=True
    ):
        shapes = {
            tap: maps[domain][name]
            for domain, taps in ((source, transfer.ENCODER), (target, transfer.DECODER))
            for tap, name in zip(taps, transfer.TEACHER, strict=True)
            if domain in maps
        }
        net = nets.student(config.model, features=batch[target].shape[-1], shapes=shapes)
        players[role] = optimizers.player(role_key, net, config, *augment.inputs(batch, source))
    return players


def apply(
    players: Mapping[str, state.Player],
    params: types.PyTree,
    batch: types.Batch,
    keys: types.Key,
) -> tuple[Outputs, dict]:
    """(outputs, new statistics) of both students with `params`, by role; keys: Key[B]."""
    outputs, stats = {}, {}
    for role, (source, _) in ROLES.items():
        outputs[role], stats[role] = players[role](
            *augment.inputs(batch, source), params=params[role], train=True, keys=keys
        )
    return outputs, stats


def teacher_features(teachers: Teachers, batch: types.Batch) -> dict[str, types.Taps]:
    """The teachers' maps of the images of their domains; {} without teachers."""
    return {domain: teacher(batch[domain]) for domain, teacher in teachers.items()}


def formulas(
    role: str,
    outputs: Outputs,
    teachers: Teachers,
    maps: Mapping[str, types.Taps],
    batch: types.Batch,
) -> dict[str, Callable[[], jax.Array]]:
    """The terms of one student, for `state.compute`; `maps` are the `teacher_features`."""
    source, target = ROLES[role]
    fake, taps, matched = outputs[role]

    def texture() -> jax.Array:
        grams = {tap: perceptual.gram(seen) for tap, seen in maps[target].items()}
        return perceptual.style(teachers[target](fake), grams, relative=True)

    return {
        "reconstruction": lambda: reconstruction.l1(fake, batch[target]),
        "mimic": lambda: transfer.mimic(matched, maps[source]),
        "transform": lambda: transfer.transform(matched, maps[target]),
        "mutual": lambda: transfer.mutual(taps, outputs[PEERS[role]][1]),
        "ssim": lambda: similarity.ssim(fake, batch[target]),
        "fsim": lambda: similarity.fsim(fake, batch[target]),
        "texture": texture,
        "roughness": lambda: strokes.roughness(fake, batch[target]),
    }


def loss(
    players: Mapping[str, state.Player],
    params: types.PyTree,
    teachers: Teachers,
    batch: types.Batch,
    keys: types.Key,
    weights: Mapping[str, float],
) -> tuple[jax.Array, tuple[dict, dict[str, types.Scalars]]]:
    """(summed loss of both students, (new statistics, terms)) for `state.update`."""
    outputs, stats = apply(players, params, batch, keys)
    maps = teacher_features(teachers, batch)
    terms = {
        role: state.compute(formulas(role, outputs, teachers, maps, batch), weights)
        for role in ROLES
    }
    return sum(state.weigh(group, weights) for group in terms.values()), (stats, terms)


def train_step(
    train_state: state.TrainState,
    teachers: Teachers,
    batch: types.Batch,
    keys: types.Key,
    config: ConfigDict,
) -> tuple[state.TrainState, types.Scalars]:
    """A step of both students by their summed loss, and its terms; see methods/interface.py."""

    def loss_fn(
        params: dict, batch: types.Batch, keys: types.Key
    ) -> tuple[jax.Array, tuple[dict, dict[str, types.Scalars]]]:
        weights = config.loss_weights
        return loss(train_state.players, params, teachers, batch, keys, weights)

    players, terms = state.update(
        train_state.players, loss_fn, batch, keys, num_parts=config.accumulate_steps
    )
    return train_state.put(**players).next(), state.prefixed(**terms)


def predict(
    train_state: state.TrainState, frozen: dict[str, state.Frozen], batch: types.Batch
) -> types.Predictions:
    """A sketch of each photo and a photo of each sketch; no teacher is needed."""
    del frozen
    return {
        target: train_state[role].averaged()(*augment.inputs(batch, source))[0]
        for role, (source, target) in ROLES.items()
    }
