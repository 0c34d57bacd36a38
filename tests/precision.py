"""Double precision for a part of a test."""

import jax


def double():
    """A context in which float64 is not cut to float32."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return jax.experimental.enable_x64()  # before jax 0.8
