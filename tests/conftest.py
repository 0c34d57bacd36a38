"""Eight simulated devices and quick compilation for every test; set before jax starts.

Tests that compare with reference values or time something opt out with `full_optimization`.
"""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
).strip()

import pathlib

import jax
import pytest

jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def full_optimization():
    """Compiles as programs do."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real pairs and weights beside the repository; skips where it is absent."""
    folder = pathlib.Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/data with real pairs beside the repository")
    return folder
