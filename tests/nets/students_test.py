"""The seam of students: nets by name, their maps under the names that transfer terms use.

docs/extend/student.md, which extend_test.py follows, adds one from outside.
"""

import jax
import jax.numpy as jnp
import pytest

from fsketch.configs import kd
from fsketch.configs import students as sizes
from fsketch.core import trees
from fsketch.losses import transfer
from fsketch.nets import separable, students

IMAGE = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)


@pytest.mark.parametrize("name", students.NETS)
def test_a_student_has_the_teacher_s_maps_beside_its_own(name):
    config = kd.tiny()
    config.model.net = name
    taps = (*transfer.ENCODER, *transfer.DECODER)
    net = students.student(config.model, features=1, shapes=dict.fromkeys(taps, (4, 4, 7)))
    found, variables = jax.eval_shape(net.init_with_output, jax.random.key(0), IMAGE)
    fake, maps, matched = found
    assert fake.shape == (1, 16, 16, 1)
    assert {tap: x.shape[1] for tap, x in maps.items()} == dict(zip(
        ("in", "d1", "d2", "bottle", "u1", "u2"), (16, 8, 4, 4, 8, 16), strict=True
    ))  # fmt: skip
    assert {x.shape for x in matched.values()} == {(1, 4, 4, 7)}
    adapters = {name for name in variables["params"] if name.startswith("adapt_")}
    assert adapters == {f"adapt_{tap}" for tap in taps}


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
    assert round(trees.count(jax.eval_shape(net.init, jax.random.key(0), IMAGE)) / 1e6, 2) == (
        millions
    )
    assert {net for net, *_ in sizes.STUDENTS.values()} == set(students.NETS)


def test_an_unknown_net_is_refused():
    config = kd.tiny()
    config.model.net = "unet"
    with pytest.raises(
        ValueError, match=r"model\.net: expected one of residual, separable, got 'unet'"
    ):
        students.translator(config.model, features=1)
