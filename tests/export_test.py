"""The student and one training step lower for TPU, CUDA and CPU, and run again on the CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from fsketch import methods, prediction, train
from fsketch.configs import kd
from fsketch.data import pipeline

PLATFORMS = ("tpu", "cuda", "cpu")


@pytest.fixture(scope="module")
def parts(request):
    """(method, frozen, state, batch, config) of a tiny KD."""
    tiny = request.getfixturevalue("tiny_teacher")
    config = kd.tiny()
    config.teacher.path = tiny
    method = methods.create(config)
    rng = np.random.default_rng(0)
    size = config.data.crop_px
    batch = {
        "photo": rng.integers(0, 256, (2, size, size, 3)).astype(np.uint8),
        "sketch": rng.integers(0, 256, (2, size, size, 1)).astype(np.uint8),
        "identity": np.zeros(2, np.int32),
    }
    one = {k: jnp.asarray(v[:1]) / 127.5 - 1.0 for k, v in batch.items() if k != "identity"}
    frozen = method.freeze([one])
    canvases = pipeline.Canvases(**batch, box=np.zeros((2, 4)), id=["0", "1"])
    start = prediction.initial_state(method, frozen, config, canvases)
    return method, frozen, start, batch, config


def through_bytes(function, *arguments):
    """(outputs, the function of flat leaves): exported, written, read and called here."""
    leaves, tree = jax.tree.flatten(arguments)

    def flat(*leaves):
        return tuple(jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves))))

    jitted = jax.jit(flat)
    exported = export.export(jitted, platforms=PLATFORMS)(*leaves)
    assert exported.platforms == PLATFORMS
    again = export.deserialize(exported.serialize())
    return again.call(*leaves), lambda: jitted(*leaves)


def test_the_student_is_one_program_for_all_platforms(parts):
    _, _, start, batch, _ = parts
    photo = jnp.asarray(batch["photo"], jnp.float32) / 127.5 - 1.0
    player = start["student_sketch"]

    def student(params, photo):
        return player(photo, params=params)[0]

    (again,), here = through_bytes(student, player.params, photo)
    assert again.shape == (2, 32, 32, 1)
    np.testing.assert_allclose(again, *here(), atol=1e-5)


def test_a_training_step_is_one_program_for_all_platforms(parts):
    method, frozen, start, batch, config = parts
    step = train.one_device(method, config.data)
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("device",))
    # pmap cannot be exported; the same function runs unchanged under shard_map.
    mapped = functools.partial(
        jax.shard_map, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False
    )
    structure = jax.tree.structure(start)
    canvas = {
        k: np.pad(v, ((0, 0), (4, 4), (4, 4), (0, 0))) if v.ndim == 4 else v
        for k, v in batch.items()
    }

    def one_step(state_leaves, variables, batch, seed):
        nets = {role: net.replace(variables=variables[role]) for role, net in frozen.items()}
        keys = jax.random.split(jax.random.key(seed), 2)
        state = jax.tree.unflatten(structure, state_leaves)
        after, scalars = mapped(lambda s, b, k: step(s, nets, b, k))(state, batch, keys)
        return jax.tree.leaves(after), scalars

    variables = {role: net.variables for role, net in frozen.items()}
    after, _ = through_bytes(
        one_step, jax.tree.leaves(start), variables, canvas, jnp.asarray(0, jnp.uint32)
    )
    assert len(after) > len(jax.tree.leaves(start))
    assert all(np.isfinite(leaf).all() for leaf in after)
