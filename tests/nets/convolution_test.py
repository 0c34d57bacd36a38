"""Convolutions against lax.conv_general_dilated and autodiff: values and both gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from fsketch.nets import convolution

# B, H, W, Cin, Cout, k, stride, padding
CONVOLUTIONS = [
    (1, 20, 23, 5, 6, 3, 1, 1),
    (2, 19, 18, 6, 5, 3, 2, 1),  # the last row is in no window
    (1, 40, 38, 5, 6, 4, 2, 1),
    (1, 20, 21, 6, 7, 4, 1, 1),
    (1, 24, 25, 6, 3, 7, 1, 0),
    (1, 24, 22, 5, 1, 7, 1, 3),
    (1, 22, 21, 3, 8, 7, 1, 3),
    (1, 20, 20, 2, 5, 3, 2, 1),
    (2, 20, 20, 5, 1, 4, 1, 1),
    (1, 18, 17, 6, 5, 1, 1, 0),
    (1, 36, 35, 6, 5, 1, 2, 0),
    (1, 20, 20, 5, 6, 3, 1, 3),  # more padding than the kernel reaches
    (2, 8, 8, 6, 5, 4, 2, 1),  # from here on few pixels
    (1, 7, 5, 6, 5, 3, 1, 1),
    (1, 9, 7, 6, 5, 3, 2, 1),
    (3, 4, 4, 6, 5, 4, 1, 0),
    (1, 6, 6, 6, 3, 3, 1, 1),
]
# B, h, w, Cin, Cout, k, stride, padding, output padding
TRANSPOSED = [
    (1, 18, 17, 6, 5, 3, 2, 1, 1),
    (1, 17, 18, 6, 5, 3, 2, 1, 0),
    (1, 17, 17, 6, 5, 4, 2, 1, 0),
    (1, 17, 19, 6, 3, 4, 2, 1, 0),
    (1, 17, 17, 6, 5, 3, 1, 1, 0),
    (1, 17, 17, 3, 5, 7, 1, 3, 0),
    (1, 17, 17, 6, 5, 1, 2, 0, 1),
    (2, 4, 3, 6, 5, 4, 2, 1, 0),
    (1, 4, 3, 6, 5, 3, 2, 1, 1),
    (3, 1, 1, 6, 5, 4, 2, 1, 0),
    (3, 1, 1, 6, 5, 4, 1, 0, 0),
]
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


def every_case_once(cases):
    """All in float64, which shows the smallest slip; every third in float32 too."""
    return [(case, "float64") for case in cases] + [(case, "float32") for case in cases[::3]]


def draws(*shapes, dtype):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


def assert_equal_maps(ours, theirs, x, kernel, tolerance):
    def run(x, kernel):
        results = []
        for function in (ours, theirs):
            y, pullback = jax.vjp(function, x, kernel)
            weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
            results.append((y, *pullback(weights)))
        return results

    got, expected = jax.jit(run)(x, kernel)  # one compilation for both
    for name, a, b in zip(("y", "dx", "dw"), got, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, name
        assert_close(a, b, tolerance, name)


def assert_close(a, b, tolerance, name=""):
    error = jnp.abs(a - b).max() / jnp.abs(b).max()
    assert error < tolerance, f"{name}: {error}"


def enable_x64():
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return jax.experimental.enable_x64()  # before jax 0.8


@pytest.mark.parametrize("case, dtype", every_case_once(CONVOLUTIONS), ids=str)
def test_conv2d_equals_lax_and_autodiff(case, dtype):
    B, H, W, Cin, Cout, k, stride, padding = case
    with enable_x64():
        x, kernel = draws((B, H, W, Cin), (k, k, Cin, Cout), dtype=dtype)
        assert_equal_maps(
            lambda x, w: convolution.conv2d(x, w, stride=stride, padding=padding),
            lambda x, w: jax.lax.conv_general_dilated(
                x,
                w,
                (stride, stride),
                ((padding, padding),) * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            ),
            x,
            kernel,
            TOLERANCES[dtype],
        )


@pytest.mark.parametrize("case, dtype", every_case_once(TRANSPOSED), ids=str)
def test_conv_transpose2d_equals_lax_and_autodiff(case, dtype):
    B, h, w, Cin, Cout, k, stride, padding, output_padding = case
    edge = k - 1 - padding
    with enable_x64():
        x, kernel = draws((B, h, w, Cin), (k, k, Cout, Cin), dtype=dtype)
        assert_equal_maps(
            lambda x, w: convolution.conv_transpose2d(
                x, w, stride=stride, padding=padding, output_padding=output_padding
            ),
            lambda x, w: jax.lax.conv_transpose(
                x,
                w,
                (stride, stride),
                ((edge, edge + output_padding),) * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                transpose_kernel=True,
            ),
            x,
            kernel,
            TOLERANCES[dtype],
        )


def test_the_tables_above_reach_every_form():
    reached = set()
    for B, H, W, Cin, Cout, k, stride, padding in CONVOLUTIONS:
        h, w = ((size + 2 * padding - k) // stride + 1 for size in (H, W))
        case = convolution.Case(B * h * w, Cin, Cout, k, stride)
        reached |= {(name, convolution.choose(name, case)) for name in convolution.FORMS}
    for B, h, w, Cin, Cout, k, stride, *_ in TRANSPOSED:
        case = convolution.Case(B * h * w, Cout, Cin, k, stride)
        reached |= {(name, convolution.choose(name, case)) for name in convolution.FORMS}
    assert reached == {(name, form) for name, forms in convolution.FORMS.items() for form in forms}


def test_transposed_by_hand():
    """[1, 2] spread by [10, 20, 30] at stride 2: 10 20 30+20 40 60, cut by 1, 1 row added."""
    x = jnp.zeros((1, 2, 1, 1)).at[0, :, 0, 0].set(jnp.array([1.0, 2.0]))
    kernel = jnp.zeros((3, 3, 1, 1)).at[:, 1, 0, 0].set(jnp.array([10.0, 20.0, 30.0]))
    y = convolution.conv_transpose2d(x, kernel, stride=2, padding=1, output_padding=1)
    np.testing.assert_allclose(y[0, :, 0, 0], [20, 50, 40, 60], rtol=1e-6)
    np.testing.assert_allclose(y[0, :, 1, 0], 0)  # the kernel's other columns are zero


def test_transposed_equals_flax():
    x, kernel = draws((2, 17, 12, 6), (4, 4, 5, 6), dtype="float32")
    theirs = nn.ConvTranspose(
        5, (4, 4), (2, 2), padding=((2, 2), (2, 2)), transpose_kernel=True, use_bias=False
    )
    ours = convolution.conv_transpose2d(x, kernel, stride=2, padding=1)
    np.testing.assert_allclose(
        ours, theirs.apply({"params": {"kernel": kernel}}, x), rtol=1e-5, atol=1e-5
    )


def test_transposed_is_the_adjoint():
    x, kernel, y = draws((2, 17, 19, 3), (3, 3, 3, 5), (2, 9, 10, 5), dtype="float32")
    forth = jnp.vdot(convolution.conv2d(x, kernel, stride=2, padding=1), y)
    back = jnp.vdot(x, convolution.conv_transpose2d(y, kernel, stride=2, padding=1))
    np.testing.assert_allclose(forth, back, rtol=1e-4)


def test_dilation_and_plain():
    x, kernel = draws((1, 20, 20, 4), (3, 3, 4, 5), dtype="float32")
    spread = jnp.zeros((5, 5, 4, 5)).at[::2, ::2].set(kernel)
    np.testing.assert_allclose(
        convolution.conv2d(x, kernel, padding=2, dilation=2),
        convolution.conv2d(x, spread, padding=2),
        rtol=1e-4,
        atol=1e-4,
    )

    def run(x):
        y = convolution.conv2d(x, kernel, stride=2, padding=1)
        return convolution.conv_transpose2d(y, kernel, stride=2, padding=1)

    assert "custom_vjp" in str(jax.make_jaxpr(run)(x))
    with convolution.plain():
        jaxpr = str(jax.make_jaxpr(lambda x: run(x))(x))  # a new function: nothing is cached
    assert "custom_vjp" not in jaxpr and "cond" not in jaxpr


@pytest.mark.parametrize("size", [8, 34])
def test_bfloat16_stays_near_float32(size):
    arguments = mixed_kernels(), draws((2, size, size, 6), dtype="float32")[0]
    gradients = jax.jit(jax.grad(mixed_loss, (0, 1)))
    exact = jax.tree.leaves(gradients(*arguments))
    short = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), arguments)
    short = jax.tree.leaves(gradients(*short))
    for a, b in zip(short, exact, strict=True):
        assert a.dtype == jnp.bfloat16
        assert jnp.linalg.norm(a.astype(jnp.float32) - b) < 0.03 * jnp.linalg.norm(b)


def mixed_loss(kernels, x):
    """Halving, doubling and a narrow head; few pixels where x is small."""
    y = convolution.conv2d(x, kernels["half"], stride=2, padding=1)
    y = convolution.conv_transpose2d(y, kernels["half"], stride=2, padding=1, output_padding=1)
    return jnp.mean(convolution.conv2d(y, kernels["head"], padding=1) ** 2)


def mixed_kernels(*lead):
    half, head = draws((*lead, 3, 3, 6, 5), (*lead, 3, 3, 6, 3), dtype="float32")
    return {"half": half, "head": head}


@pytest.mark.parametrize("size", [8, 34])
def test_vmap_over_inputs_and_kernels(size):
    kernels = mixed_kernels(2)
    x = draws((2, 1, size, size, 6), dtype="float32")[0]
    gradients = jax.grad(mixed_loss, (0, 1))
    mapped = jax.jit(jax.vmap(gradients))(kernels, x)
    compiled = jax.jit(gradients)
    for index in range(2):
        one = compiled(jax.tree.map(lambda leaf, i=index: leaf[i], kernels), x[index])
        jax.tree.map(lambda a, b, i=index: assert_close(a[i], b, 1e-5), mapped, one)


def test_jit_inside_pmap():
    kernels = mixed_kernels()
    x = draws((2, 34, 34, 6), dtype="float32")[0]
    gradients = jax.jit(jax.grad(mixed_loss))

    def step(kernels, x):
        return jax.lax.pmean(gradients(kernels, x), "device")

    mapped = jax.pmap(step, "device", in_axes=(None, 0), devices=jax.devices()[:2])
    got = jax.tree.map(lambda leaf: leaf[0], mapped(kernels, x[:, None]))
    jax.tree.map(lambda a, b: assert_close(a, b, 1e-5), got, gradients(kernels, x))


def test_one_export_serves_all_platforms():
    arguments = mixed_kernels(), draws((1, 34, 34, 6), dtype="float32")[0]
    compiled = jax.jit(jax.value_and_grad(mixed_loss))
    program = export.export(compiled, platforms=["tpu", "cuda", "cpu"])(*arguments)
    got = export.deserialize(program.serialize()).call(*arguments)
    jax.tree.map(lambda a, b: assert_close(a, b, 1e-5), got, compiled(*arguments))


def test_second_derivatives():
    """A gradient penalty differentiates a gradient."""
    x, kernel = draws((1, 18, 18, 6), (3, 3, 6, 5), dtype="float32")

    def penalty(kernel):
        def score(x):
            return jnp.sum(jnp.tanh(convolution.conv2d(x, kernel, stride=2, padding=1)))

        return jnp.sum(jax.grad(score)(x) ** 2)

    def gradient(kernel):
        return jax.grad(lambda kernel: penalty(kernel))(kernel)

    ours = jax.jit(gradient)(kernel)
    with convolution.plain():
        theirs = jax.jit(lambda kernel: gradient(kernel))(kernel)
    assert_close(ours, theirs, 1e-5)


def dilated_kernel_gradients(hlo):
    """Convolutions with a dilation whose window is an image: larger than any kernel here."""
    lines = [line for line in hlo.splitlines() if " convolution(" in line and "dilate" in line]
    sizes = [line.split("window={size=")[1].split(" ")[0].split("x") for line in lines]
    return [line for line, size in zip(lines, sizes, strict=True) if max(map(int, size)) > 7]


def test_no_slow_kernel_gradient_is_compiled(full_optimization):
    """The fact that makes the CPU usable: autodiff's form runs at a hundredth of the speed."""
    x, kernel = draws((1, 18, 18, 6), (3, 3, 5, 6), dtype="float32")

    def program():
        def loss(kernel, x):
            return jnp.sum(convolution.conv_transpose2d(x, kernel, stride=2, padding=1) ** 2)

        return jax.jit(jax.grad(loss)).lower(kernel, x).compile().as_text()

    assert " convolution(" in program() and not dilated_kernel_gradients(program())
    with convolution.plain():
        assert dilated_kernel_gradients(program())


def test_rejects_what_does_not_fit():
    x, kernel = draws((1, 8, 8, 3), (3, 3, 4, 5), dtype="float32")
    with pytest.raises(ValueError, match="3 channels"):
        convolution.conv2d(x, kernel)
    with pytest.raises(ValueError, match="square"):
        convolution.conv2d(x, kernel[:2])
    with pytest.raises(ValueError, match="4 axes"):
        convolution.conv2d(x[0], kernel)


# B, H, W, C, k, stride, padding
DEPTHWISE = [
    (2, 9, 8, 6, 3, 1, 1),
    (1, 9, 8, 6, 3, 2, 1),
    (1, 8, 9, 5, 5, 2, 2),
    (2, 7, 7, 4, 5, 1, 2),
    (1, 7, 7, 4, 7, 1, 0),
    (1, 6, 7, 3, 1, 2, 0),
    (1, 8, 8, 3, 3, 2, 0),  # the last row is in no window
]


@pytest.mark.parametrize("case, dtype", every_case_once(DEPTHWISE), ids=str)
def test_depthwise_equals_lax_and_autodiff(case, dtype):
    B, H, W, C, k, stride, padding = case
    with enable_x64():
        x, kernel = draws((B, H, W, C), (k, k, 1, C), dtype=dtype)
        assert_equal_maps(
            lambda x, w: convolution.depthwise_conv2d(x, w, stride=stride, padding=padding),
            lambda x, w: jax.lax.conv_general_dilated(
                x,
                w,
                (stride, stride),
                ((padding, padding),) * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=C,
            ),
            x,
            kernel,
            TOLERANCES[dtype],
        )


def test_depthwise_kernels_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="k x k x 1 x 4, got"):
        convolution.depthwise_conv2d(jnp.zeros((1, 5, 5, 4)), jnp.zeros((3, 3, 4, 1)))
