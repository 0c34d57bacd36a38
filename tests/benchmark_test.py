"""The benchmark's own arithmetic; what it times is tested elsewhere."""

import jax
import pytest

from fsketch import benchmark
from fsketch.configs import synthdistill
from fsketch.core import trees
from fsketch.frozen import embedders, generators


def test_faces_per_second_and_hours_of_a_published_run(monkeypatch, tiny_embedder, quick_faces):
    config = synthdistill.tiny()
    config.embedder.path = tiny_embedder
    monkeypatch.setattr(benchmark.synthdistill, "get_config", lambda argument: config)
    monkeypatch.setattr(benchmark, "random_embedder", lambda net: embedders.load(tiny_embedder))
    monkeypatch.setattr(benchmark, "random_generator", lambda name: generators.load(""))
    num_faces = 2 * config.batch_size * config.num_steps
    found = benchmark.measure_synthdistill(8, repeats=3)
    assert found["faces_per_sec"] == pytest.approx(2 * 8 / (found["step_ms"] / 1e3))
    assert found["hours_of_the_run"] == pytest.approx(num_faces / found["faces_per_sec"] / 3600)
    assert found["fastest_ms"] <= found["step_ms"] and found["compile_sec"] > 0
    student = embedders.create(config.model.net, config.model.arguments)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), "float32")
    shapes = jax.eval_shape(student.init, jax.random.key(0), image)
    assert found["parameters"] == trees.count(shapes["params"])


def test_random_nets_have_the_published_shapes():
    def count(make):
        return trees.count(jax.eval_shape(lambda: make().variables)["params"])

    # Of IResNet-100 and of StyleGAN2's 256 px configuration, as published.
    assert count(lambda: benchmark.random_embedder("iresnet100")) == 65_156_160
    assert count(lambda: benchmark.random_generator("stylegan2_ffhq256")) == 24_767_458
