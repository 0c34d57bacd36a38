"""Contact sheets: where labels and images stand."""

import numpy as np

from fsketch.core import sheets


def test_labels_stand_above_rows_of_images_on_white():
    black, grey = np.zeros((20, 30, 1), np.uint8), np.full((10, 16, 3), 128, np.uint8)
    sheet = sheets.sheet({"photo": [black, grey], "a label wider than its row": [grey]})
    label = sheets.FONT_PX + 2 * sheets.GAP_PX
    first, second = label, label + 20 + sheets.GAP_PX + label
    assert (sheet[first : first + 20, 2:32] == 0).all()
    assert (sheet[first : first + 10, 34:50] == 128).all()
    assert (sheet[second : second + 10, 2:18] == 128).all()
    assert (sheet[first : first + 20, 50:] == 255).all()
    for top in (0, second - label):
        ink = np.argwhere(sheet[top : top + label].min(-1) < 200)
        assert len(ink) and ink[:, 1].max() < sheet.shape[1]
