import numpy as np
import pytest

from fsketch.data import warp

RANGES = {"rotation_deg": 30.0, "shift": 0.1, "scale": (0.9, 1.1)}


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (7, 7, 3)).astype(np.uint8)


def test_no_move_is_the_identity(picture):
    np.testing.assert_array_equal(warp.apply(picture, warp.Pose()), picture)
    wide = picture[:4]
    np.testing.assert_array_equal(warp.apply(wide, warp.Pose()), wide)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("side", [6, 7])
def test_quarter_turns_move_pixels_exactly_and_anticlockwise(picture, quarters, side):
    square = picture[:side, :side]
    turned = warp.apply(square, warp.Pose(rotation_deg=90.0 * quarters))
    np.testing.assert_array_equal(turned, np.rot90(square, quarters))


def test_shifts_go_right_and_down_and_mirror_the_border():
    row = np.arange(10, 60, 10, dtype=np.uint8)  # 10 20 30 40 50
    image = np.stack([row, row + 1, row + 2, row + 3, row + 4])[..., None]
    right = warp.apply(image, warp.Pose(shift_x=2 / 5))
    np.testing.assert_array_equal(right[0, :, 0], [30, 20, 10, 20, 30])
    down = warp.apply(image, warp.Pose(shift_y=1 / 5))
    np.testing.assert_array_equal(down[:, 0, 0], [11, 10, 11, 12, 13])
    half = warp.apply(image, warp.Pose(shift_x=-0.5 / 5))
    np.testing.assert_array_equal(half[0, :, 0], [15, 25, 35, 45, 45])


def test_twice_the_size_by_hand():
    image = np.array([[0, 0, 0], [0, 100, 40], [0, 0, 0]], np.uint8)[..., None]
    larger = warp.apply(image, warp.Pose(scale=2.0))[..., 0]
    np.testing.assert_array_equal(larger, [[25, 50, 35], [50, 100, 70], [25, 50, 35]])


def test_a_small_turn_back_is_the_picture_again():
    y, x = np.mgrid[:64, :64]
    smooth = (120 + 100 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)[..., None]
    there = warp.apply(smooth, warp.Pose(rotation_deg=20.0))
    back = warp.apply(there, warp.Pose(rotation_deg=-20.0))
    inner = np.s_[16:48, 16:48]
    assert np.abs(back[inner].astype(int) - smooth[inner]).max() <= 3
    assert np.abs(there[inner].astype(int) - smooth[inner]).max() > 30


def test_a_pose_depends_on_seed_and_id_alone_and_fills_its_ranges():
    assert warp.draw(0, "a", **RANGES) == warp.draw(0, "a", **RANGES)
    assert warp.draw(0, "a", **RANGES) != warp.draw(1, "a", **RANGES)
    poses = np.array([warp.draw(0, str(i), **RANGES) for i in range(2000)])
    low, high = np.array([-30, 0.9, -0.1, -0.1]), np.array([30, 1.1, 0.1, 0.1])
    assert (poses >= low).all() and (poses <= high).all()
    np.testing.assert_allclose(poses.min(0), low, atol=0.005 * (high - low).max())
    np.testing.assert_allclose(poses.mean(0), (low + high) / 2, atol=0.9)
    assert np.abs(np.corrcoef(poses.T) - np.eye(4)).max() < 0.08


@pytest.mark.parametrize(
    ("number", "angles"),
    [
        (11, [-30, -20, -15, -10, -5, 0, 5, 10, 15, 20, 30]),
        (5, [-30, -15, 0, 15, 30]),
    ],
)
def test_the_ablation_s_sets_of_angles_are_equally_probable(number, angles):
    drawn = [
        warp.draw(3, str(i), **RANGES, angles_deg=warp.angles(number)).rotation_deg
        for i in range(100 * number)
    ]
    found, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(found, angles)
    assert counts.min() > 65


def test_another_number_of_angles_is_refused():
    with pytest.raises(ValueError, match=r"num_angles: expected one of 0, 5, 11, got 7"):
        warp.angles(7)


def test_ranges_of_no_width_move_nothing():
    still = warp.draw(0, "x", rotation_deg=0.0, shift=0.0, scale=(1.0, 1.0))
    assert still == warp.Pose()
