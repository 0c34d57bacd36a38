"""KD: two students, one frozen teacher, and each other.

Paper      "Knowledge Distillation for Face Photo-Sketch Synthesis", IEEE TNNLS 33(2), 2022.
           Only the abstract is public: one teacher, two mutual students [paper].  Networks,
           losses, weights and schedule are a reconstruction, tagged field by field here and in
           configs/students.py.
Run        fsketch train --config=configs/kd.py --workdir=runs/kd
           data=       procedural (default), or a set of configs/data.py with
                       --config.data.manual_dir=DIR: cuhk (88/100 pairs), ar (80/43), xm2vts
                       (100/195), cufs (268/338), cufsf (250/944), fs2k (1058/1046), paired_folder.
           ablation=   the ladder: reconstruction (L_rec), mimic (+ L_mim), no_mutual (+ L_tra),
                       none (default; + L_mut, KD); it continues in configs/kd_plus.py.
           student=    full (64 channels, 9 blocks; default except on procedural) 11.38 M
                       parameters for 3 channels in and out, medium (32, 9) 2.85 M, small (24, 6)
                       1.11 M, mini (16, 4) 0.35 M, 2 % more with a variant; separable (64, 9;
                       depthwise separable blocks) 1.99 M.  Adapters to the teacher's shapes are
                       extra and not needed after training.
           variant=    none (default except on procedural; the papers' terms alone), or our own:
                       structured (default on procedural) adds SSIM and FSIM to the loss; textured
                       also adds the teacher's Gram matrices; stroked also adds the roughness of
                       strokes, and its students see noise and local contrast.  Ours enlarge by
                       nearest neighbours and have skips from encoder to decoder, as have all
                       students of procedural faces.
           schedule=   default (on procedural: parts of 80 px), or quick: parts of 128 px on a
                       mirrored canvas (pairs of 256 px).
           pairs=      held_out (default), or whole: also trains on the validation pairs and uses
                       the last checkpoint, for a run with a settled schedule.
           conditions= studio (default), or anywhere: photos before other backgrounds, darker
                       faces, uneven and coloured light, blur, noise (fsketch/data/conditions.py).
           E.g. configs/kd.py:data=cuhk,ablation=no_mutual,student=small.
           Photos without sketches: --config.unlabelled.folder=PHOTOS
           --config.unlabelled.teacher=RUN, which draws them (docs/methods/kd.md).
           Teacher: our recogniser, trained first, or converted weights; the papers' is probably
           VGG-19 [inferred]: --config.teacher.path=vgg19.safetensors.
Cost       procedural: 543 seconds of processor time, 4.5 minutes of two CPU cores: some 90 s to
           draw faces, 200 s for the teacher, 1.9 GB; run on one core of a busy machine.
           data=cuhk,student=small,variant=structured,schedule=quick: 33 minutes of one CPU core,
           2.2 parts/s, 2.2 GB; with student=full: 0.8 parts/s on two cores, 3.4 GB.  Real
           pairs without quick, student=separable: not run yet.
Expect     procedural, seed 0, 48 test pairs, protocol plain: to_sketch SSIM 0.703, PSNR 19.93, FSIM
           0.813, Scoot 0.451; to_photo SSIM 0.772, PSNR 15.94, FSIM 0.861, Scoot 0.603.  Eyes,
           glasses and outlines are sharp; dark hair and shaded skin are smooth grey, without
           strokes.  Photos have one backdrop and brown hair whatever the truth.
           cuhk: configs/experiments/cuhk_kd.py (the chain of small students), cuhk_sizes.py,
           cuhk_ladder.py, cuhk_seeds.py and cuhk_gpu.py.  Other sets, real pairs without quick,
           student=separable: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import shared, students, teacher

# Ablation -> terms with weight 0; without a teacher, also a variant's texture.
ABLATIONS = {
    "none": (),
    "reconstruction": ("mimic", "transform", "mutual", "texture"),
    "mimic": ("transform", "mutual"),
    "no_mutual": ("mutual",),
}
KEYS = {**students.KEYS, "ablation": tuple(ABLATIONS)}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/kd.py", argument, **KEYS)
    config = students.get_config(given)
    config.method = "kd"
    add_teacher(config, given.data)
    for term in ABLATIONS[given.ablation]:
        config.loss_weights[term] = 0.0
    return config.lock()


def add_teacher(config: ConfigDict, data: str) -> None:
    """Adds the teacher of KD and KD+; on procedural faces the default teacher is small."""
    size = "small" if data == "procedural" else "full"
    shared.add_teacher(config, "teacher", teacher.get_config(f"net={size}"))


def tiny(argument: str = "") -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config(argument or "variant=none"))
    students.shrink(config)
    shared.shrink_teacher(config.teacher, teacher.tiny())
    return config
