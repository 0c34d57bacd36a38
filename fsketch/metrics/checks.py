"""Checks that every metric of image pairs makes of its two arrays."""

import jax
import jax.numpy as jnp


def float_pair(
    name: str,
    truth: jax.Array,
    output: jax.Array,
    *,
    channels: tuple[int, ...] = (1,),
    min_side_px: int = 1,
) -> tuple[jax.Array, jax.Array]:
    """Both images [B, H, W, C] as float64 if one of them is float64, else as float32.

    ValueError, with the metric's name, if the shapes differ, C is not in `channels` or a side is
    shorter than `min_side_px`.
    """
    if truth.shape != output.shape or truth.ndim != 4 or truth.shape[-1] not in channels:
        allowed = " or ".join(f"[B, H, W, {number}]" for number in channels)
        raise ValueError(
            f"{name}: expected images {allowed} of one shape, got {truth.shape} and {output.shape}"
        )
    if min(truth.shape[1:3]) < min_side_px:
        raise ValueError(
            f"{name}: expected at least {min_side_px} x {min_side_px} px, "
            f"got {truth.shape[1]} x {truth.shape[2]} px"
        )
    dtype = jnp.promote_types(jnp.result_type(truth, output), jnp.float32)
    return jnp.asarray(truth, dtype), jnp.asarray(output, dtype)
