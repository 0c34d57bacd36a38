"""Convolutions against lax.conv_general_dilated and autodiff: values and both gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import precision
import pytest

from fsketch.nets import convolution

# Kind, B, H, W, Cin, Cout, k, stride, padding, output padding
CASES = [
    ("conv", 1, 20, 23, 5, 6, 3, 1, 1, 0),
    ("conv", 2, 19, 18, 6, 5, 3, 2, 1, 0),  # the last row is in no window
    ("conv", 1, 40, 38, 5, 6, 4, 2, 1, 0),
    ("conv", 1, 24, 22, 5, 1, 7, 1, 3, 0),
    ("conv", 1, 22, 21, 3, 8, 7, 1, 3, 0),
    ("conv", 2, 20, 20, 5, 1, 4, 1, 1, 0),
    ("conv", 1, 36, 35, 6, 5, 1, 2, 0, 0),
    ("conv", 1, 20, 20, 5, 6, 3, 1, 3, 0),  # more padding than the kernel reaches
    ("conv", 2, 8, 8, 6, 5, 4, 2, 1, 0),  # few pixels
    ("conv", 3, 4, 4, 6, 5, 4, 1, 0, 0),
    ("conv", 1, 6, 6, 6, 3, 3, 1, 1, 0),
    ("transposed", 1, 18, 17, 6, 5, 3, 2, 1, 1),
    ("transposed", 1, 17, 17, 6, 5, 4, 2, 1, 0),
    ("transposed", 1, 17, 19, 6, 3, 4, 2, 1, 0),
    ("transposed", 1, 17, 17, 6, 5, 3, 1, 1, 0),
    ("transposed", 1, 17, 17, 6, 5, 1, 2, 0, 1),
    ("transposed", 1, 4, 3, 6, 5, 3, 2, 1, 1),
    ("transposed", 3, 1, 1, 6, 5, 4, 1, 0, 0),
    ("depthwise", 2, 9, 8, 6, 6, 3, 1, 1, 0),
    ("depthwise", 1, 8, 9, 5, 5, 5, 2, 2, 0),
    ("depthwise", 1, 6, 7, 3, 3, 1, 2, 0, 0),
    ("depthwise", 1, 8, 8, 3, 3, 3, 2, 0, 0),  # the last row is in no window
]
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


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


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_equal_lax_and_autodiff(case, dtype):
    kind, B, H, W, Cin, Cout, k, stride, padding, more = case
    edge = k - 1 - padding
    options = {"stride": stride, "padding": padding}
    theirs = {
        "window_strides": (stride, stride), "padding": ((padding, padding),) * 2,
        "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
    }  # fmt: skip
    ours, reference, shape = {
        "conv": (convolution.conv2d, jax.lax.conv_general_dilated, (Cin, Cout)),
        "depthwise": (
            convolution.depthwise_conv2d,
            functools.partial(jax.lax.conv_general_dilated, feature_group_count=Cin),
            (1, Cin),
        ),
        "transposed": (
            functools.partial(convolution.conv_transpose2d, output_padding=more),
            functools.partial(jax.lax.conv_transpose, transpose_kernel=True),
            (Cout, Cin),
        ),
    }[kind]
    if kind == "transposed":
        theirs["strides"] = theirs.pop("window_strides")
        theirs["padding"] = ((edge, edge + more),) * 2
    with precision.double():
        x, kernel = draws((B, H, W, Cin), (k, k, *shape), dtype=dtype)
        assert_equal_maps(
            functools.partial(ours, **options),
            functools.partial(reference, **theirs),
            x,
            kernel,
            TOLERANCES[dtype],
        )


def test_the_table_above_reaches_every_form():
    reached = set()
    for kind, B, H, W, Cin, Cout, k, stride, padding, _ in CASES:
        h, w = ((size + 2 * padding - k) // stride + 1 for size in (H, W))
        case = {
            "conv": convolution.Case(B * h * w, Cin, Cout, k, stride),
            "transposed": convolution.Case(B * H * W, Cout, Cin, k, stride),
        }.get(kind)
        if case:
            reached |= {(name, convolution.choose(name, case)) for name in convolution.FORMS}
    assert reached == {(name, form) for name, forms in convolution.FORMS.items() for form in forms}


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


def test_second_derivatives_and_bfloat16():
    """A gradient penalty differentiates a gradient; parameters may be short."""
    x, kernel = draws((1, 18, 18, 6), (3, 3, 6, 5), dtype="float32")

    def penalty(kernel, x):
        def score(x):
            y = jnp.tanh(convolution.conv2d(x, kernel, stride=2, padding=1))
            return jnp.sum(convolution.conv_transpose2d(y, kernel, stride=2, padding=1))

        return jnp.sum(jax.grad(score)(x) ** 2)

    ours = jax.jit(jax.grad(lambda kernel, x: penalty(kernel, x)))(kernel, x)
    with convolution.plain():
        theirs = jax.jit(jax.grad(lambda kernel, x: penalty(kernel, x)))(kernel, x)
    assert_close(ours, theirs, 1e-5)
    short = [array.astype(jnp.bfloat16) for array in (kernel, x)]
    gradient = jax.jit(jax.grad(lambda kernel, x: jnp.sum(convolution.conv2d(x, kernel) ** 2)))
    got, exact = gradient(*short), gradient(kernel, x)
    assert got.dtype == jnp.bfloat16
    assert jnp.linalg.norm(got.astype(jnp.float32) - exact) < 0.03 * jnp.linalg.norm(exact)


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


@pytest.mark.parametrize(
    ("function", "x", "kernel", "message"),
    [
        (convolution.conv2d, (1, 8, 8, 3), (3, 3, 4, 5), "3 channels"),
        (convolution.conv2d, (1, 8, 8, 4), (2, 3, 4, 5), "square"),
        (convolution.conv2d, (8, 8, 4), (3, 3, 4, 5), "4 axes"),
        (convolution.depthwise_conv2d, (1, 5, 5, 4), (3, 3, 4, 1), "k x k x 1 x 4, got"),
    ],
)
def test_what_does_not_fit_is_refused(function, x, kernel, message):
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros(x), jnp.zeros(kernel))
