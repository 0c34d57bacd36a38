"""KD: one frozen teacher and two students that also teach each other.

Source     "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           From the abstract [paper]: one teacher pretrained on much data of a related task,
           two students trained at once, transfer from teacher to students and between them.
           The form of all four terms is [inferred].
Players    student_sketch (the paper's photo->sketch), student_photo (sketch->photo);
           one optimizer each, both moved by the summed loss of a batch.
Frozen     teacher: three maps of unit mean square.
Terms, for each student (x its input, y its target, T the teacher):
    reconstruction  mean |S(x) - y|
    mimic           encoder maps against T(x)
    transform       decoder maps against T(y)
    mutual          its maps against its peer's of the same domain, the peer held constant
"""

import itertools
from collections.abc import Iterable

import jax
from ml_collections import ConfigDict

from fsketch import state, types
from fsketch.losses import reconstruction, transfer
from fsketch.methods import interface, optimizers, pretrained
from fsketch.nets import resnet

ROLES = {"student_sketch": ("photo", "sketch"), "student_photo": ("sketch", "photo")}


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/kd.py."""

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        teacher = pretrained.load_teacher(config.teacher.path, config.teacher.taps)
        first = itertools.islice(batches, config.teacher.num_calibration)
        return {"teacher": pretrained.calibrate(teacher, first)}

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        pretrained.check_source(frozen["teacher"], config.teacher.path)
        maps = pretrained.map_shapes(frozen["teacher"], batch["photo"])
        shapes = {
            tap: maps[name]
            for taps in (transfer.ENCODER, transfer.DECODER)
            for tap, name in zip(taps, transfer.TEACHER, strict=True)
        }
        players = {}
        for (role, (source, target)), role_key in zip(
            ROLES.items(), jax.random.split(key), strict=True
        ):
            translator = resnet.Translator(
                features=batch[target].shape[-1],
                width=config.model.width,
                num_blocks=config.model.num_blocks,
                norm=config.model.norm,
                dtype=config.model.dtype,
            )
            players[role] = state.create_player(
                role_key,
                resnet.Student(translator, shapes),
                optimizers.adam(config.optim, num_steps=config.num_steps),
                batch[source],
                ema_rate=config.optim.ema_rate,
            )
        return state.create(**players)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del keys
        teacher_maps = {name: frozen["teacher"](batch[name]) for name in ("photo", "sketch")}

        def loss_fn(params: dict) -> tuple[jax.Array, tuple[dict, dict[str, types.Scalars]]]:
            outputs, stats = {}, {}
            for role, (source, _) in ROLES.items():
                outputs[role], stats[role] = train_state[role](
                    batch[source], params=params[role], train=True
                )
            terms = {}
            for (role, (source, target)), peer in zip(ROLES.items(), reversed(ROLES), strict=True):
                fake, taps, matched = outputs[role]
                terms[role] = {
                    "reconstruction": reconstruction.l1(fake, batch[target]),
                    "mimic": transfer.mimic(matched, teacher_maps[source]),
                    "transform": transfer.transform(matched, teacher_maps[target]),
                    "mutual": transfer.mutual(taps, outputs[peer][1]),
                }
            loss = sum(state.weigh(terms[role], config.loss_weights) for role in ROLES)
            return loss, (stats, terms)

        players, terms = state.update(train_state.players, loss_fn)
        return train_state.put(**players).next(), state.prefixed(**terms)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        return {
            target: train_state[role].averaged()(batch[source])[0]
            for role, (source, target) in ROLES.items()
        }

    return interface.Method(freeze, init, train_step, predict)
