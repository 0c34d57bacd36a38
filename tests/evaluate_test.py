"""The sample sheet; evaluations of whole runs are in train_test.py and programs_test.py."""

import numpy as np
import pytest

from fsketch import evaluate
from fsketch.data import pipeline


@pytest.mark.parametrize("with_coarse", [False, True])
def test_a_sample_sheet_has_a_row_for_all_that_there_is(with_coarse):
    """Three pairs of 4 x 2 px on 4 px canvases, 2 shown; values: photo 10, sketch 20, coarse 30."""

    def kind(value, depth):
        return np.full((3, 4, 4, depth), value, np.uint8)

    box = np.tile([0, 1, 4, 2], (3, 1))
    coarse = kind(30, 1) if with_coarse else None
    canvases = pipeline.Canvases(
        kind(10, 3), kind(20, 1), box, list("abc"), np.arange(3), coarse=coarse
    )
    sheet = evaluate.sample_sheet(
        lambda batch: {"sketch": np.ones((len(batch["photo"]), 4, 4, 1), np.float32)},
        canvases,
        num_samples=2,
        batch_size=2,
    )
    rows = sheet[2::6, 2, 0].tolist()  # the first pixel of each cell of 4 + 2 rows
    assert rows == [10, 20, *([30] if with_coarse else []), 255]
    assert sheet.shape == (6 * len(rows) + 2, 2 * 4 + 2, 3)


def test_what_predicts_no_image_has_no_sheet():
    photo = np.zeros((2, 4, 4, 3), np.uint8)
    faces = pipeline.Canvases(photo, None, np.tile([0, 0, 4, 4], (2, 1)), ["a", "b"], np.arange(2))
    sheet = evaluate.sample_sheet(
        lambda batch: {"embedding": np.zeros((2, 8))}, faces, num_samples=2, batch_size=2
    )
    assert sheet is None
