"""KT: two frozen teachers, one of photos and one of sketches, and two students.

Source     "Face Photo-Sketch Synthesis via Knowledge Transfer", IJCAI 2019.  From the abstract
           [paper]: two teachers pretrained on much data of a related task, two small students
           that mimic and transform both kinds of knowledge and transfer knowledge to each
           other.  The form of all terms is [inferred].
Players    student_sketch and student_photo (methods/students.py), one optimizer each, both moved
           by the summed loss of a batch.
Frozen     teacher_photo sees photos, teacher_sketch sketches: three maps each, of unit mean square
           over its own domain.  They may have the same weights [inferred: KD, the sequel, speaks of
           one teacher for both].
Terms      reconstruction, mimic, transform, mutual: methods/students.py.
"""

from collections.abc import Iterable

from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.frozen import registry
from fsketch.methods import interface, students

TEACHERS = {"photo": "teacher_photo", "sketch": "teacher_sketch"}  # by the domain they see


def needs(config: ConfigDict) -> registry.Needs:
    """A teacher of each domain, if a term needs them."""
    return students.needs(config, {role: (domain,) for domain, role in TEACHERS.items()})


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/kt.py."""

    def teachers(frozen: interface.Frozens) -> students.Teachers:
        dtype = config.model.dtype
        return {
            domain: frozen[role].computing_in(dtype)
            for domain, role in TEACHERS.items()
            if role in frozen
        }

    def freeze(batches: Iterable[types.Batch]) -> interface.Frozens:
        return students.freeze(config, needs(config), batches)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        return state.create(**students.create(key, config, teachers(frozen), batch))

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        return students.train_step(train_state, teachers(frozen), batch, keys, config)

    return interface.Method(freeze, init, train_step, students.predict)
