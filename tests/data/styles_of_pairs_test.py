"""Styles of pairs: every pair must have one that the net knows, and each is seen equally often."""

import collections
import dataclasses

import numpy as np
import pytest

from fsketch.data import pipeline, records

STYLES = ("ink", "chalk", "pen")


def placed(drawn, styles=STYLES, **options):
    images = [
        {"photo": np.full((4, 4, 3), i, np.uint8), "sketch": np.full((4, 4, 1), i, np.uint8)}
        for i in range(5)
    ]
    ids = [f"p{i}" for i in range(5)]
    pairs = records.Pairs(images, ("photo", "sketch"), ids, np.arange(5, dtype=np.int32), drawn)
    return pipeline.place(
        pairs, canvas_px=4, fill_photo=0, fill_sketch=255, styles=styles, **options
    )


@pytest.mark.parametrize("memory_mb", [0, np.inf])
def test_a_batch_names_the_style_of_each_pair(memory_mb):
    canvases = placed(["chalk", "ink", "chalk", "chalk", "pen"], memory_mb=memory_mb)
    batch = canvases.take([4, 1, 0]).batch(np.array([2, 0]))
    assert batch["sketch"][:, 0, 0, 0].tolist() == [0, 4]
    assert batch["style"].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert "style" not in placed([], styles=(), memory_mb=memory_mb).batch(np.array([0]))


def test_an_epoch_holds_each_style_as_often_as_the_most_frequent_one():
    canvases = placed(["chalk", "ink", "chalk", "chalk", "pen"])
    examples = pipeline.epoch(canvases)
    assert collections.Counter(examples.tolist()) == {0: 1, 2: 1, 3: 1, 1: 3, 4: 3}
    batch = pipeline.training_batch(canvases, position=9, batch_size=9, seed=0)
    assert batch["style"].sum(0).tolist() == [3, 3, 3]
    absent = dataclasses.replace(canvases, style=canvases.style[:, :1])
    assert pipeline.epoch(absent).tolist() == [1]
    assert pipeline.epoch(placed([], styles=())).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("drawn", "got"),
    [
        (
            ["ink", "pen", "wash", "ink", "ink"],
            "style of p2: expected .*ink, chalk, pen, got 'wash'",
        ),
        ([], "style of p0: .*got none, since the data set names no styles"),
    ],
)
def test_a_pair_of_no_known_style_is_refused(drawn, got):
    with pytest.raises(ValueError, match=got):
        placed(drawn)
