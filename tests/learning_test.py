"""Learning floor: what is built must also learn.  That of the main job: slow/main_job_floor.py."""

import json

from fsketch import train
from fsketch.configs import kd
from fsketch.nets import convolution


def test_students_overfit_four_pairs(tiny, tmp_path):
    """The mean absolute error of both students falls below 0.05 in [-1, 1]."""
    config = tiny(kd)
    config.data.train, config.data.flip = "train[:4]", False
    config.data.canvas_px = config.data.crop_px
    config.model.width, config.num_steps = 8, 110
    config.optim.learning_rate = 1e-2
    config.eval_every_steps = config.save_every_steps = config.num_steps
    with convolution.plain():
        train.train(config, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    errors = [row for row in rows if "student_sketch/reconstruction" in row]
    for student in ("student_sketch", "student_photo"):
        name = f"{student}/reconstruction"
        assert errors[-1][name] < 0.05 < errors[0][name], name
