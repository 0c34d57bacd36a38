"""Convolution and transposed convolution with hand-written gradients.

Both are one linear map seen from two sides. With `big` B x H x W x Cbig, `small`
B x h x w x Csmall and a kernel k x k x Cbig x Csmall,

  small[y, x] = sum_uv big[stride y + u - padding, stride x + v - padding] kernel[u, v]

`conv2d` goes from big to small, `conv_transpose2d` from small to big, and three maps serve
the values and the gradients of both:

  map               conv2d               conv_transpose2d
  to_small          value                gradient of x
  to_big            gradient of x        value
  kernel_gradient   gradient of kernel   gradient of kernel

Autodiff arrives at the same maps, but XLA:CPU runs several of them through slow code; the
kernel gradient of a transposed convolution is the worst (jax-ml/jax#23783, #31662). On CPU
each map therefore takes one of the exact rewrites listed in `FORMS`, by static shape. On GPU
and TPU it is the plain lax convolution. The platform is chosen when a program is lowered
(`jax.lax.platform_dependent`), so one exported program serves them all, and it is chosen inside
the `custom_vjp`, so the unused branch leaves no residuals.

Reverse mode of any order, vmap and pmap work; forward mode does not (`custom_vjp`).
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_GRADIENT_LAYOUT = ("CHWN", "IHWO", "HWNC")  # contracts the batch, keeps both channels

_is_plain = contextvars.ContextVar("is_plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """A context in which JAX differentiates plain lax convolutions: for tests and benchmarks.

    It acts while tracing: a function that was jitted and called outside keeps its form.
    """
    token = _is_plain.set(True)
    try:
        yield
    finally:
        _is_plain.reset(token)


def conv2d(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> jax.Array:
    """Cross-correlation, padded by `padding` zeros on every side.

    Args:
      x: B x H x W x Cin.
      kernel: k x k x Cin x Cout, of x's type.
      dilation: distance between taps; lax and autodiff handle all but 1.

    Returns:
      B x h x w x Cout, h = (H + 2 padding - dilation (k - 1) - 1) // stride + 1.
    """
    _check(x, kernel, inputs=2)
    if dilation != 1 or _is_plain.get():
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            ((padding, padding), (padding, padding)),
            rhs_dilation=(dilation, dilation),
            dimension_numbers=_LAYOUT,
        )
    H, W = x.shape[1:3]
    k = kernel.shape[0]
    h, w = ((size + 2 * padding - k) // stride + 1 for size in (H, W))
    return _conv2d(x, kernel, _Geometry(H, W, h, w, k, stride, padding))


def conv_transpose2d(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int,
    padding: int,
    output_padding: int = 0,
) -> jax.Array:
    """Adjoint of `conv2d` with the same kernel, stride and padding.

    Args:
      x: B x h x w x Cin.
      kernel: k x k x Cout x Cin, of x's type: the layout of the adjoint convolution,
        unflipped, which is torch's ConvTranspose2d weight permuted by (2, 3, 1, 0).
      output_padding: rows and columns added below and to the right.

    Returns:
      B x H x W x Cout, H = (h - 1) stride - 2 padding + k + output_padding.
    """
    _check(x, kernel, inputs=3)
    h, w = x.shape[1:3]
    k = kernel.shape[0]
    H, W = ((size - 1) * stride - 2 * padding + k + output_padding for size in (h, w))
    geometry = _Geometry(H, W, h, w, k, stride, padding)
    if _is_plain.get():
        return _to_big_lax(x, kernel, geometry)
    return _conv_transpose2d(x, kernel, geometry)


def depthwise_conv2d(
    x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: int = 0
) -> jax.Array:
    """Depthwise `conv2d`: kernel k x k x 1 x C, B x H x W x C -> B x h x w x C.

    On CPU it is a sum over the kernel's taps, 5 to 50 times as fast as XLA's grouped convolution,
    its gradients 1.5 to 7 times (3x3 and 5x5 at 7 to 56 px, 32 to 1152 channels, two loaded cores).
    """
    if x.ndim != 4 or kernel.shape != (kernel.shape[0], kernel.shape[0], 1, x.shape[-1]):
        raise ValueError(f"kernel: expected k x k x 1 x {x.shape[-1]}, got {kernel.shape}")
    H, W = x.shape[1:3]
    k = kernel.shape[0]
    h, w = ((size + 2 * padding - k) // stride + 1 for size in (H, W))
    at = _Geometry(H, W, h, w, k, stride, padding)
    if _is_plain.get():
        return _depthwise_lax(x, kernel, at)
    return _depthwise(x, kernel, at)


def _check(x: jax.Array, kernel: jax.Array, *, inputs: int) -> None:
    if x.ndim != 4 or kernel.ndim != 4:
        raise ValueError(f"x, kernel: expected 4 axes, got {x.shape} and {kernel.shape}")
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel: expected a square one, got {kernel.shape}")
    if kernel.shape[inputs] != x.shape[-1]:
        raise ValueError(f"kernel: expected the {x.shape[-1]} channels of x, got {kernel.shape}")


class _Geometry(NamedTuple):
    """Everything static: sizes of big (H, W) and small (h, w), kernel size, stride, padding."""

    H: int
    W: int
    h: int
    w: int
    k: int
    stride: int
    padding: int

    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns to add around big so that small's windows cover it exactly.

        The second of each pair is negative where the last rows of big are in no window.
        """
        high = [
            (n - 1) * self.stride + self.k - self.padding - N
            for N, n in ((self.H, self.h), (self.W, self.w))
        ]
        return (self.padding, high[0]), (self.padding, high[1])

    def dense(self) -> "_Geometry":
        """The stride-1 convolution from small to big whose kernel is the flipped one."""
        return _Geometry(self.h, self.w, self.H, self.W, self.k, 1, self.k - 1 - self.padding)


# Maps in plain lax ------------------------------------------------------------------------


def _to_small_lax(big: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return _correlate(big, kernel, stride=at.stride, pads=at.pads())


def _to_big_lax(small: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    low = at.k - 1 - at.padding
    return lax.conv_general_dilated(
        small,
        _flipped(kernel),
        (1, 1),
        tuple(
            (low, N + at.padding - 1 - (n - 1) * at.stride) for N, n in ((at.H, at.h), (at.W, at.w))
        ),
        lhs_dilation=(at.stride, at.stride),
        dimension_numbers=_LAYOUT,
    )


def _kernel_gradient_lax(big: jax.Array, small: jax.Array, at: _Geometry) -> jax.Array:
    return lax.conv_general_dilated(
        big,
        small,
        (1, 1),
        at.pads(),
        rhs_dilation=(at.stride, at.stride),
        dimension_numbers=_GRADIENT_LAYOUT,
    )


# Exact rewrites for the CPU ---------------------------------------------------------------


def _to_small_gemm(big: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """Windows as rows of a matrix; the kernel is read as it lies in memory."""
    return _dot(_windows(big, at), kernel.reshape(-1, kernel.shape[-1]), 0)


def _to_small_rows(big: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """k times as many outputs from a 1 x k kernel, then k shifted maps are added."""
    k, _, inputs, outputs = kernel.shape
    wide = kernel.transpose(1, 2, 0, 3).reshape(1, k, inputs, k * outputs)
    rows = lax.conv_general_dilated(
        big,
        wide,
        (1, 1),
        at.pads(),
        dimension_numbers=_LAYOUT,
        preferred_element_type=_accumulator(big),
    )  # B x h+k-1 x w x k*Csmall
    small = sum(rows[:, u : u + at.h, :, u * outputs : (u + 1) * outputs] for u in range(k))
    return small.astype(big.dtype)


def _to_big_gemm(small: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """Every pixel of small paints its k x k patch; the patches are added up."""
    B, k, s = small.shape[0], at.k, at.stride
    inputs, outputs = kernel.shape[2:]
    patches = _dot(
        small.astype(_accumulator(small)),
        kernel.reshape(-1, outputs).astype(_accumulator(small)),
        1,
    ).reshape(B, at.h, at.w, k, k, inputs)
    (top, bottom), (left, right) = at.pads()
    height, width = at.H + top + bottom, at.W + left + right
    big = sum(
        _pad(
            patches[:, :, :, u, v],
            (u, height - u - (at.h - 1) * s - 1, s - 1),
            (v, width - v - (at.w - 1) * s - 1, s - 1),
        )
        for u in range(k)
        for v in range(k)
    )
    return _pad(big, (-top, -bottom, 0), (-left, -right, 0)).astype(small.dtype)


def _to_big_dense(small: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """At stride 1 the adjoint is itself a convolution, with its own best form."""
    flipped, at = _flipped(kernel), at.dense()
    inputs, outputs = flipped.shape[2:]
    case = Case(small.shape[0] * at.h * at.w, inputs, outputs, at.k, at.stride)
    return choose("to_small", case).run(small, flipped, at)


def _to_big_phases(small: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """The pixels (a, b) of every stride x stride block are one dense convolution of small.

    Row stride m + a takes the taps u = first + stride t, from row m + shift - t of small.
    """
    s = at.stride
    blocks_high, blocks_wide = -(-at.H // s), -(-at.W // s)

    def phase(a: int, blocks: int, size: int) -> tuple[slice, tuple[int, int]]:
        shift, first = divmod(a + at.padding, s)
        num_taps = len(range(first, at.k, s))
        return slice(first, None, s), (num_taps - 1 - shift, blocks + shift - size)

    rows = []
    for a in range(s):
        taps_y, pads_y = phase(a, blocks_high, at.h)
        row = []
        for b in range(s):
            taps_x, pads_x = phase(b, blocks_wide, at.w)
            row.append(
                _correlate(small, _flipped(kernel[taps_y, taps_x]), stride=1, pads=(pads_y, pads_x))
            )
        rows.append(jnp.stack(row, axis=3))
    big = jnp.stack(rows, axis=2)  # B x H/s x s x W/s x s x Cbig
    big = big.reshape(big.shape[0], blocks_high * s, blocks_wide * s, big.shape[-1])
    return big[:, : at.H, : at.W]


def _kernel_gradient_gemm(big: jax.Array, small: jax.Array, at: _Geometry) -> jax.Array:
    windows = _windows(big, at)
    gradient = lax.dot_general(windows, small, (((0, 1, 2), (0, 1, 2)), ((), ())))
    return gradient.reshape(at.k, at.k, big.shape[-1], small.shape[-1])


def _kernel_gradient_swapped(big: jax.Array, small: jax.Array, at: _Geometry) -> jax.Array:
    """big slides over the padded small one: the narrow side is the one read k x k times."""
    (top, bottom), (left, right) = at.pads()
    k = at.k
    padded = _pad(small, (k - 1 - top, k - 1 - bottom, 0), (k - 1 - left, k - 1 - right, 0))
    outputs = small.shape[-1]
    if outputs == 1:  # a lone channel takes a naive path in XLA:CPU, two do not
        padded = jnp.pad(padded, ((0, 0), (0, 0), (0, 0), (0, 1)))
    return _flipped(_dense_kernel_gradient(padded, big))[..., :outputs]


def _kernel_gradient_phases(big: jax.Array, small: jax.Array, at: _Geometry) -> jax.Array:
    """The taps (a, b) modulo the stride are one dense gradient over every stride-th pixel.

    Padding first and convolving without is 3 times faster than a padded convolution here.
    """
    B, k, s = big.shape[0], at.k, at.stride
    inputs, outputs = big.shape[-1], small.shape[-1]
    (top, bottom), (left, right) = at.pads()
    big = _pad(big, (top, bottom, 0), (left, right, 0))
    taps = -(-k // s)
    rows = []
    for a in range(s):
        high = len(range(a, k, s))
        row = []
        for b in range(s):
            wide = len(range(b, k, s))
            end = (a + (at.h + high - 2) * s + 1, b + (at.w + wide - 2) * s + 1)
            part = lax.slice(big, (0, a, b, 0), (B, *end, inputs), (1, s, s, 1))
            gradient = _dense_kernel_gradient(part, small)  # high x wide x Cbig x Csmall
            row.append(jnp.pad(gradient, ((0, taps - high), (0, taps - wide), (0, 0), (0, 0))))
        rows.append(jnp.stack(row, axis=2))
    gradient = jnp.stack(rows, axis=1)  # k/s x s x k/s x s x Cbig x Csmall
    return gradient.reshape(taps * s, taps * s, inputs, outputs)[:k, :k]


# The pieces they share --------------------------------------------------------------------


def _correlate(
    x: jax.Array, kernel: jax.Array, *, stride: int, pads: tuple[tuple[int, int], ...]
) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=_LAYOUT)


def _dense_kernel_gradient(big: jax.Array, small: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(big, small, (1, 1), "VALID", dimension_numbers=_GRADIENT_LAYOUT)


def _flipped(kernel: jax.Array) -> jax.Array:
    """k x k x C x D -> the kernel of the adjoint, k x k x D x C."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _pad(x: jax.Array, rows: tuple[int, int, int], columns: tuple[int, int, int]) -> jax.Array:
    """Zeros before, after and between rows and columns; negative numbers crop."""
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))


def _windows(big: jax.Array, at: _Geometry) -> jax.Array:
    """B x H x W x Cbig -> B x h x w x k*k*Cbig, the window under every pixel of small."""
    (top, bottom), (left, right) = at.pads()
    big = _pad(big, (top, bottom, 0), (left, right, 0))
    rows, columns = (at.h - 1) * at.stride + 1, (at.w - 1) * at.stride + 1
    shifted = [
        big[:, u : u + rows : at.stride, v : v + columns : at.stride]
        for u in range(at.k)
        for v in range(at.k)
    ]
    return jnp.concatenate(shifted, axis=-1)


def _dot(a: jax.Array, b: jax.Array, axis: int) -> jax.Array:
    """Contracts a's last axis with that axis of the matrix b."""
    return lax.dot_general(a, b, (((a.ndim - 1,), (axis,)), ((), ())))


def _accumulator(x: jax.Array) -> jnp.dtype:
    """The type in which partial results are added: float32 for bfloat16."""
    return jnp.promote_types(x.dtype, jnp.float32)


# The choice -------------------------------------------------------------------------------


class Case(NamedTuple):
    """What the choice of a form depends on: pixels of small over the batch, and widths."""

    pixels: int  # B * h * w
    big: int  # channels
    small: int  # channels
    k: int
    stride: int


class Form(NamedTuple):
    run: Callable[..., jax.Array]
    fits: Callable[[Case], bool]
    reason: str


NARROW = 4  # channels of an image or of a critic's verdict
FEW_PIXELS = 256

# The first form that fits a case is used. Times are ms in float32 at batch 1 on two cores
# of an EPYC, jaxlib 0.10.2, --xla_cpu_experimental_ynn_fusion_type=individual_dot,reduce.
FORMS: dict[str, tuple[Form, ...]] = {
    "to_small": (
        Form(
            _to_small_rows,
            lambda c: c.small <= NARROW and c.stride == 1 and c.k > 1,
            "a product with 3 columns is slow: 7x7 64->3 @256 56 -> 13, 3x3 64->3 @256 12 -> 5",
        ),
        Form(
            _to_small_gemm,
            lambda c: c.pixels <= FEW_PIXELS and c.small > NARROW,
            "bound by reading the kernel: 4x4/2 512->512 @16 18 -> 13",
        ),
        Form(_to_small_lax, lambda c: True, "at the speed of a matrix product already"),
    ),
    "to_big": (
        Form(
            _to_big_gemm,
            lambda c: c.pixels <= FEW_PIXELS,
            "no transposed copy of the kernel: 4x4/2 512->512 @16 33 -> 9, 3x3 512 @8 13 -> 5",
        ),
        Form(_to_big_dense, lambda c: c.stride == 1, "a convolution: see to_small"),
        Form(
            _to_big_phases,
            lambda c: c.big > NARROW and c.k >= c.stride,
            "no product with inserted zeros: 3x3/2 64->128 @256 57 -> 28, 4x4/2 10 -> 7",
        ),
        Form(_to_big_lax, lambda c: True, "to an image: 4x4/2 3->128 @256 3, by phases 22"),
    ),
    "kernel_gradient": (
        Form(
            _kernel_gradient_swapped,
            lambda c: c.small <= NARROW and c.stride == 1,
            "7x7 64->3 @256 86 -> 13, 7x7 64->1 @256 28 -> 14, 4x4 512->1 @33 3.4 -> 0.6",
        ),
        Form(
            _kernel_gradient_gemm,
            lambda c: c.pixels <= FEW_PIXELS and c.small > NARROW,
            "4x4/2 512->1024 @8 34 -> 11",
        ),
        Form(
            _kernel_gradient_phases,
            lambda c: c.k >= c.stride,
            "no window dilation: 3x3/2 64->128 @256 70 -> 36, 4x4/2 64->128 @128 30 -> 8; "
            "no padding inside the convolution: 3x3 128->128 @128 89 -> 30",
        ),
        Form(_kernel_gradient_lax, lambda c: True, "taps that skip pixels; never timed"),
    ),
}
_PLAIN = {name: forms[-1].run for name, forms in FORMS.items()}


def choose(name: str, case: Case) -> Form:
    """The form in which the map `name` of `FORMS` runs on CPU."""
    return next(form for form in FORMS[name] if form.fits(case))


def _apply(
    name: str, x: jax.Array, y: jax.Array, at: _Geometry, *, big: int, small: int
) -> jax.Array:
    """The map `name`; `big` and `small` are the channels of the two sides."""
    case = Case(x.shape[0] * at.h * at.w, big, small, at.k, at.stride)
    fast = functools.partial(choose(name, case).run, at=at)
    return lax.platform_dependent(x, y, cpu=fast, default=functools.partial(_PLAIN[name], at=at))


def _to_small(big: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return _apply("to_small", big, kernel, at, big=kernel.shape[2], small=kernel.shape[3])


def _to_big(small: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return _apply("to_big", small, kernel, at, big=kernel.shape[2], small=kernel.shape[3])


def _kernel_gradient(big: jax.Array, small: jax.Array, at: _Geometry) -> jax.Array:
    return _apply("kernel_gradient", big, small, at, big=big.shape[-1], small=small.shape[-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv2d(x: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return _to_small(x, kernel, at)


def _conv2d_backward(
    at: _Geometry, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return _to_big(gradient, kernel, at), _kernel_gradient(x, gradient, at)


_conv2d.defvjp(lambda x, kernel, at: (_conv2d(x, kernel, at), (x, kernel)), _conv2d_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_transpose2d(x: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return _to_big(x, kernel, at)


def _conv_transpose2d_backward(
    at: _Geometry, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return _to_small(gradient, kernel, at), _kernel_gradient(gradient, x, at)


_conv_transpose2d.defvjp(
    lambda x, kernel, at: (_conv_transpose2d(x, kernel, at), (x, kernel)),
    _conv_transpose2d_backward,
)


# Depthwise --------------------------------------------------------------------------------


def _depthwise_lax(x: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (at.stride, at.stride),
        at.pads(),
        dimension_numbers=_LAYOUT,
        feature_group_count=x.shape[-1],
    )


def _depthwise_taps(x: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    """The sum over taps of shifted, scaled maps."""
    (top, bottom), (left, right) = at.pads()
    x = _pad(x.astype(_accumulator(x)), (top, bottom, 0), (left, right, 0))
    total = sum(
        part * kernel[u, v, 0].astype(part.dtype) for u, v, part in _depthwise_windows(x, at)
    )
    return total.astype(kernel.dtype)


def _depthwise_windows(padded: jax.Array, at: _Geometry) -> Iterator[tuple[int, int, jax.Array]]:
    """For each tap the B x h x w x C pixels that it meets."""
    rows, columns = (at.h - 1) * at.stride + 1, (at.w - 1) * at.stride + 1
    for u in range(at.k):
        for v in range(at.k):
            yield u, v, padded[:, u : u + rows : at.stride, v : v + columns : at.stride]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _depthwise(x: jax.Array, kernel: jax.Array, at: _Geometry) -> jax.Array:
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_depthwise_taps, at=at),
        default=functools.partial(_depthwise_lax, at=at),
    )


def _depthwise_backward(
    at: _Geometry, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return lax.platform_dependent(
        *residuals,
        gradient,
        cpu=functools.partial(_depthwise_gradients_taps, at=at),
        default=functools.partial(_depthwise_gradients_lax, at=at),
    )


def _depthwise_gradients_lax(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, at: _Geometry
) -> tuple[jax.Array, jax.Array]:
    return jax.vjp(functools.partial(_depthwise_lax, at=at), x, kernel)[1](gradient)


def _depthwise_gradients_taps(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, at: _Geometry
) -> tuple[jax.Array, jax.Array]:
    (top, bottom), (left, right) = at.pads()
    low = at.k - 1 - at.padding
    high, wide = (N + at.padding - 1 - (n - 1) * at.stride for N, n in ((at.H, at.h), (at.W, at.w)))
    spread = _pad(gradient, (low, high, at.stride - 1), (low, wide, at.stride - 1))
    dense = _Geometry(*spread.shape[1:3], at.H, at.W, at.k, 1, 0)
    x_gradient = _depthwise_taps(spread, jnp.flip(kernel, (0, 1)), dense)
    padded = _pad(x, (top, bottom, 0), (left, right, 0))
    sums = [
        jnp.sum(part * gradient, (0, 1, 2), dtype=_accumulator(x))
        for _, _, part in _depthwise_windows(padded, at)
    ]
    return x_gradient, jnp.stack(sums).reshape(kernel.shape).astype(kernel.dtype)


_depthwise.defvjp(
    lambda x, kernel, at: (_depthwise(x, kernel, at), (x, kernel)), _depthwise_backward
)
