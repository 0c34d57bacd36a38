"""KD: one frozen teacher and two students that also teach each other; KD+: with two critics.

Source     "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           From the abstract [paper]: one teacher pretrained on much data of a related task,
           two students trained at once, transfer from teacher to students and between them;
           KD+ adds GAN training, guided by the distilled knowledge.  The form of all terms is
           [inferred].
Players    student_sketch and student_photo (methods/students.py), one optimizer each, both moved
           by the summed loss of a batch.
           KD+: critic_sketch judges sketches beside their photo, critic_photo photos beside
           their sketch (conditional 70 x 70 PatchGAN) [secondary: the author's pix2pix].
Frozen     teacher: three maps of unit mean square; none if no weighted term needs it.
Terms      reconstruction, mimic, transform, mutual: methods/students.py.
           KD+: adversarial for each student, real and fake for each critic; the others stay.

A step of KD+ moves the students against the current critics, then the critics on the same fakes
that the students made.  The author's code moves the critics first, on the same fakes
[secondary]; the orders differ by one step of the critic that the students' gradient sees.  This
order runs the students once.
"""

from collections.abc import Iterable

import jax
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.frozen import registry
from fsketch.losses import adversarial
from fsketch.methods import critics, interface, students

# critic -> the student it judges
CRITICS = {"critic_sketch": "student_sketch", "critic_photo": "student_photo"}


def needs(config: ConfigDict) -> registry.Needs:
    """One teacher of both domains, if a term needs it."""
    return students.needs(config, {"teacher": students.DOMAINS})


def method(config: ConfigDict) -> interface.Method:
    """KD; the fields are those of configs/kd.py."""

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        return students.freeze(config, needs(config), batches)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        return state.create(**students.create(key, config, _teachers(config, frozen), batch))

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        return students.train_step(train_state, _teachers(config, frozen), batch, keys, config)

    return interface.Method(freeze, init, train_step, students.predict)


def method_plus(config: ConfigDict) -> interface.Method:
    """KD+; the fields are those of configs/kd_plus.py."""
    losses = adversarial.of(config.critic.loss)

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        return students.freeze(config, needs(config), batches)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        student_key, *critic_keys = jax.random.split(key, 3)
        players = students.create(student_key, config, _teachers(config, frozen), batch)
        for (critic, student), critic_key in zip(CRITICS.items(), critic_keys, strict=True):
            source, target = students.ROLES[student]
            example = critics.pair(batch, source, batch[target])
            players[critic] = critics.create(critic_key, config, example)
        return state.create(**players)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        def loss_fn(
            params: dict, batch: types.Batch, keys: types.Key
        ) -> tuple[jax.Array, tuple[dict, tuple]]:
            outputs, stats = students.apply(train_state.players, params, batch, keys)
            teachers = _teachers(config, frozen)
            maps = students.teacher_features(teachers, batch)
            pairs, terms = {}, {}
            for critic, role in CRITICS.items():
                source, _ = students.ROLES[role]
                pairs[critic] = critics.pair(batch, source, outputs[role][0])
                formulas = students.formulas(role, outputs, teachers, maps, batch)
                formulas["adversarial"] = critics.formula(
                    train_state[critic], pairs[critic], losses=losses
                )
                terms[role] = state.compute(formulas, config.loss_weights)
            loss = sum(state.weigh(group, config.loss_weights) for group in terms.values())
            return loss, (stats, (terms, pairs))

        players = {role: train_state[role] for role in students.ROLES}
        players, (terms, fake) = state.update(
            players, loss_fn, batch, keys, num_parts=config.accumulate_steps
        )
        real = {}
        for critic, role in CRITICS.items():
            source, target = students.ROLES[role]
            real[critic] = critics.pair(batch, source, batch[target])
        judges, verdicts = critics.update(
            {critic: train_state[critic] for critic in CRITICS},
            real,
            fake,
            losses=losses,
            num_parts=config.accumulate_steps,
        )
        after = train_state.put(**players, **judges).next()
        return after, state.prefixed(**terms, **verdicts)

    return interface.Method(freeze, init, train_step, students.predict)


def _teachers(config: ConfigDict, frozen: interface.Frozens) -> students.Teachers:
    """The one teacher sees both domains."""
    if not frozen:
        return {}
    teacher = frozen["teacher"].computing_in(config.model.dtype)
    return dict.fromkeys(students.DOMAINS, teacher)
