"""Folders of the page, for the browser of the tests."""

import os
import threading

import jax
import numpy as np
import pytest

from fsketch import methods, prediction, restore
from fsketch.configs import cyclegan
from fsketch.core import checkpoint
from fsketch.data import pipeline
from fsketch.demo import models, pages, serve, vendor


@pytest.fixture
def served():
    """folder -> its address, while the test runs."""
    running = []

    def start(folder):
        running.append(serve.server(folder))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return serve.address(running[-1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of both directions with random nets whose images have contrast."""
    config = cyclegan.tiny()
    config.data.fill_mirrored = True
    side = config.data.crop_px
    blank = {"photo": np.zeros((1, side, side, 3)), "sketch": np.zeros((1, side, side, 1))}
    canvases = pipeline.Canvases(**blank, identity=[0], box=np.zeros((1, 4)), id=["0"])
    start = prediction.initial_state(methods.create(config), {}, config, canvases)
    start = jax.tree.map(lambda leaf: 2 * leaf if leaf.ndim == 4 else leaf, start)
    folder = tmp_path_factory.mktemp("run")
    places = checkpoint.open_workdir(folder, keep=1)
    for kept in (places.latest, places.best):
        checkpoint.save(kept, 0, start, restore.meta_data(config, step=0))
    places.wait()
    places.close()
    return str(folder)


@pytest.fixture(scope="module")
def runtime():
    given = os.environ.get("FSKETCH_RUNTIME")
    if not given:
        pytest.skip(f"FSKETCH_RUNTIME does not name {vendor.PACKAGE} (a .tgz file or a folder)")
    return vendor.runtime(given)


@pytest.fixture(scope="module")
def site(runtime, workdir, tmp_path_factory):
    """The folder of a whole page."""
    folder = tmp_path_factory.mktemp("page")
    pages.write(folder, models.of_run(workdir), finder=models.finder(), runtime=runtime)
    return folder
