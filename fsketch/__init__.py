"""Face photo-sketch synthesis with knowledge distillation, in JAX and Flax.

Importing the package starts nothing: no jax, no device, no flag.  The programs
(`fsketch/__main__.py`) call `fsketch.core.startup` first.
"""

__version__ = "0.3.0"
