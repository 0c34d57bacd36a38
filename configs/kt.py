"""KT: two students, a teacher of photos and a teacher of sketches.

Paper      "Face Photo-Sketch Synthesis via Knowledge Transfer", IJCAI 2019.  Only the abstract was
           read: two teachers, two mutual students [paper].  Networks, losses, weights and
           schedule are a reconstruction, shared with configs/kd.py.
Run        fsketch train --config=configs/kt.py --workdir=runs/kt
           data=, student=, variant=, schedule=, pairs=: as in configs/kd.py, e.g.
           configs/kt.py:data=cuhk,student=small.
           Teachers: --config.teacher_photo.path=... and --config.teacher_sketch.path=..., which
           may be the same file.  Without paths, a recogniser of photos and one of sketches are
           trained first [paper: two teachers; what they learn: inferred].
Cost       data=cuhk,student=mini,schedule=quick: 3 minutes of one CPU core for 160 steps.
           data=cuhk,student=full,schedule=quick, bfloat16, 8 parts a step: 216 parts/s on an H200
           shared with other trainings.  Others: not run yet.
Expect     SqueezeNet v1.0 for both, seed 0, 100 test pairs.  1000 steps of mini and small:
           configs/experiments/cuhk_ladder.py; full on a GPU: cuhk_gpu.py.
           data=cuhk,student=mini,schedule=quick, 160 steps at rate 1e-3: SSIM 0.612, PSNR 14.90,
           FSIM 0.694, Scoot 0.441; to_photo SSIM 0.656, FSIM 0.758.  Others: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import shared, students, teacher

KEYS = students.KEYS
TEACHERS = {"teacher_photo": "photos", "teacher_sketch": "sketches"}  # role -> images=


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/kt.py", argument, **KEYS)
    config = students.get_config(given)
    config.method = "kt"
    size = "small" if given.data == "procedural" else "full"
    for role, seen in TEACHERS.items():
        shared.add_teacher(config, role, teacher.get_config(f"net={size},images={seen}"))
    return config.lock()


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config("variant=none"))
    students.shrink(config)
    for role, seen in TEACHERS.items():
        shared.shrink_teacher(config[role], teacher.tiny(f"images={seen}"))
    return config
