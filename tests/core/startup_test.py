"""What programs set before jax starts."""

import gc
import os
import subprocess
import sys

import pytest

from fsketch.core import startup


@pytest.fixture
def environment(monkeypatch):
    """The process's environment, without what the tests themselves set."""
    for name in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "FSKETCH_STARTUP"):
        monkeypatch.setenv(name, "")  # so that it is restored whatever the test leaves
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    threshold = gc.get_threshold()
    yield os.environ
    gc.set_threshold(*threshold)


def version(monkeypatch, number):
    monkeypatch.setattr(startup.metadata, "version", lambda name: number)


def test_a_version_that_accepts_the_flag_gets_it(environment, monkeypatch):
    version(monkeypatch, "0.10.2")
    startup.prepare()
    assert environment["XLA_FLAGS"] == f"{startup.CPU_FLAG}={startup.CPU_FLAG_VALUE}"


@pytest.mark.parametrize("number", ["0.7.2", "0.13.0"])
def test_another_version_gets_the_cache_but_not_the_flag(environment, monkeypatch, number):
    version(monkeypatch, number)
    startup.prepare()
    assert "XLA_FLAGS" not in environment
    assert environment["JAX_COMPILATION_CACHE_DIR"] == os.path.join("caches", "fsketch", "jax")


def test_what_the_user_set_is_kept(environment, monkeypatch):
    version(monkeypatch, "0.10.2")
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to=x {startup.CPU_FLAG}=")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    startup.prepare()
    assert environment["XLA_FLAGS"] == f"--xla_dump_to=x {startup.CPU_FLAG}="
    assert environment["JAX_COMPILATION_CACHE_DIR"] == "mine"


def test_one_switch_turns_it_off(environment, monkeypatch):
    version(monkeypatch, "0.10.2")
    monkeypatch.setenv("FSKETCH_STARTUP", "0")
    startup.prepare()
    assert "XLA_FLAGS" not in environment
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


@pytest.mark.parametrize(("switch", "often"), [("1", startup.NEW_OBJECTS), ("0", 700)])
def test_a_program_collects_garbage_less_often(environment, monkeypatch, switch, often):
    monkeypatch.setenv("FSKETCH_STARTUP", switch)
    gc.set_threshold(700, 10, 10)
    startup.prepare()
    assert gc.get_threshold() == (often, 10, 10)


def test_sketch_imports_nothing_of_the_training():
    code = "import fsketch.own_photos, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"jax", "flax"} <= loaded
    assert not loaded & {"grain", "optax", "orbax", "scipy", "tensorflow_datasets", "tensorstore"}
