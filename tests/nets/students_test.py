"""The seam of students: nets by name, their maps under the names that transfer terms use."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fsketch import methods
from fsketch.configs import kd
from fsketch.configs import students as sizes
from fsketch.core import state, trees
from fsketch.losses import transfer
from fsketch.nets import convolution, layers, separable, students


class Plain(nn.Module):
    """Somebody's own net, with fewer fields and maps by other names."""

    features: int
    width: int
    num_blocks: int
    norm: str
    dtype: str

    @nn.compact
    def __call__(self, image, *, train=False, keys=None):
        del train, keys

        def conv(x, features, stride=1):
            return layers.Conv(features, stride=stride, kernel_init=layers.torch_init)(x)

        maps = {"whole": conv(image, self.width)}
        maps["half"] = nn.relu(conv(maps["whole"], 2 * self.width, 2))
        maps["quarter"] = nn.relu(conv(maps["half"], 2 * self.width, 2))
        maps["middle"] = nn.relu(conv(maps["quarter"], 2 * self.width))
        maps["back_half"] = conv(layers.upsample(maps["middle"]), 2 * self.width)
        maps["back"] = conv(layers.upsample(maps["back_half"]), self.width)
        return jnp.tanh(conv(maps["back"], self.features)), maps


TAPS = {
    "in": "whole", "d1": "half", "d2": "quarter",
    "bottle": "middle", "u1": "back_half", "u2": "back",
}  # fmt: skip


def batch():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 16 - 1
    sketch = np.stack([np.sin(3 * x * a + b * y) for a, b in rng.uniform(0.5, 2, (2, 2))])[
        ..., None
    ]
    photo = np.concatenate([-sketch, sketch**2, 0.5 * sketch], -1)
    return {"photo": jnp.asarray(photo, jnp.float32), "sketch": jnp.asarray(sketch, jnp.float32)}


@pytest.mark.parametrize("name", ["separable", "plain"])
def test_kd_trains_another_net_by_name(name, tiny_teacher, monkeypatch):
    """Steps on two pairs lower each term that compares with the teacher or the truth."""
    monkeypatch.setitem(students.NETS, "plain", students.Net(Plain, TAPS))
    config = kd.tiny()
    with config.unlocked():
        config.model.net = name
        if name == "plain":
            for field in ("up", "skips", "noise", "detail"):
                del config.model[field]
    config.teacher.path, config.optim.decay_from = tiny_teacher, 1.0
    method = methods.create(config)
    pairs = batch()
    frozen = method.freeze([pairs])
    start = jax.jit(method.init)(jax.random.key(0), frozen, pairs)
    adapters = {name for name in start["student_sketch"].params if name.startswith("adapt_")}
    assert adapters == {f"adapt_{tap}" for tap in (*transfer.ENCODER, *transfer.DECODER)}
    keys = jax.random.split(jax.random.key(1), (1, 2))
    step = jax.pmap(method.train_step, axis_name="device", devices=jax.devices()[:1])
    now, *rest = jax.tree.map(lambda x: jnp.asarray(x)[None], (start, frozen, pairs))
    seen = []
    with convolution.plain():
        for _ in range(8):
            now, scalars = step(now, *rest, keys)
            seen.append(jax.device_get(scalars))
    for term in ("reconstruction", "mimic", "transform"):
        first, last = (row[f"student_sketch/{term}"][0] for row in (seen[0], seen[-1]))
        assert last < first, term


def test_a_separable_block_is_depthwise_then_pointwise():
    block = separable.SeparableBlock(norm="none", relu_after_add=False)
    x = jax.random.normal(jax.random.key(0), (1, 6, 5, 4))
    variables = block.init(jax.random.key(1), x)
    assert {leaf.shape for leaf in jax.tree.leaves(variables)} == {
        (3, 3, 1, 4), (1, 1, 4, 4), (4,),
    }  # fmt: skip
    pulse = jnp.zeros((1, 7, 7, 4)).at[0, 3, 3, 0].set(1.0)
    params = variables["params"]
    only = {**params, "Conv_1": jax.tree.map(jnp.zeros_like, params["Conv_1"])}
    assert jnp.allclose(block.apply({"params": only}, pulse), pulse)  # the identity is added


@pytest.mark.parametrize(("student", "millions"), [("full", 11.38), ("separable", 1.99)])
def test_parameter_counts_are_those_of_the_documentation(student, millions):
    config = kd.get_config(f"data=cuhk,student={student}")
    net = students.translator(config.model, features=3)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    assert round(trees.count(variables) / 1e6, 2) == millions
    assert {net for net, *_ in sizes.STUDENTS.values()} == set(students.NETS)


def test_an_unknown_net_is_refused():
    config = kd.tiny()
    config.model.net = "unet"
    with pytest.raises(
        ValueError, match=r"model\.net: expected one of residual, separable, got 'unet'"
    ):
        students.translator(config.model, features=1)


def test_a_student_is_a_player_like_any_other():
    config = kd.tiny()
    image = jnp.zeros((1, 16, 16, 3))
    net = students.student(config.model, features=1, shapes={"d1": (4, 4, 7)})
    player = state.create_player(jax.random.key(0), net, optax.sgd(0.1), image)
    fake, taps, matched = player(image)
    assert fake.shape == (1, 16, 16, 1)
    assert taps["d1"].shape == (1, 8, 8, 8) and matched["d1"].shape == (1, 4, 4, 7)
