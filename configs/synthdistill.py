"""SynthDistill: a light face embedder distilled from generated faces, without a photo.

Paper      Otroshi Shahreza et al., "SynthDistill: Face Recognition with Knowledge Distillation from
           Synthetic Data", IJCB 2023.  Networks, loss, sampling and schedule are those of its code
           [code: github.com/otroshi/synthdistill]; its table of results was not read.
Run        python -m fsketch.main --config=configs/synthdistill.py --workdir=runs/synthdistill
           faces: embedded (default; procedural, and as a teacher our own configs/embedder.py,
           trained first), stylegan2 (StyleGAN2 of FFHQ at 256 px, ArcFace IResNet-100):
           files of python -m fsketch.convert, named in generator.path, embedder.path and
           start_from (ImageNet features of the student; "" = none).
           student on stylegan2: a (default), b, c, the TinyFaR of that letter.
           ablation: static (latents move alike, c = 1), no_resampling (the second step of each two
           takes fresh latents).  E.g. configs/synthdistill.py:stylegan2,b,static.
Cost       embedded: 8 minutes of 2 CPU cores with compilation, 0.4 s a step of 2 x 32 faces, the
           teacher's 7 apart.  stylegan2, whole steps of 2 x 128 faces on two busy CPU cores:
           101 s, 2.5 faces/s, 22 GB, the 328 104 updates then 4600 hours (python -m
           fsketch.benchmark --synthdistill --batch=128 --repeats=1, random weights).  On GPU and
           TPU: not run yet.
Expect     embedded, seed 0, teacher configs/embedder.py of 700 steps, 256 unseen persons x 4 drawn
           views: verification accuracy 0.993, teacher 0.998; AUC 1.000 both; 0.40 M parameters
           against 1.47 M, 1.7 ms a face against 6.4 ms on two busy CPU cores, medians of
           50 calls of the jitted nets.  On ORL's real
           faces: 0.785, AUC 0.879, the teacher's 0.835, 0.909.  Three seeds of 300 steps, cosine
           to the teacher: static 0.664 +- 0.035, dynamic 0.676 +- 0.011, no_resampling 0.691 +-
           0.029; accuracies within 0.001: sampling makes no difference there.  stylegan2: not run
           yet.  The paper: 99.52 % on LFW with a light student [paper].
"""

from ml_collections import ConfigDict

from fsketch.configs import base, embedder

FACES = ("embedded", "stylegan2")
STUDENTS = ("a", "b", "c")
ABLATIONS = {"static": "static", "no_resampling": "none"}
ARGUMENTS = (*FACES, "stylegan2,b", "stylegan2,c", *ABLATIONS)


def get_config(argument: str = "embedded") -> ConfigDict:
    faces, student, ablation = base.words(argument, FACES, STUDENTS, tuple(ABLATIONS))
    config = base.get_config()
    config.method = "synthdistill"
    base.add_frozen_embedder(config)
    base.add_generator(config)
    config.resampling = ABLATIONS[ablation] if ablation else "dynamic"
    config.resampling_coefficient = 1.0  # alpha [code]
    config.optim.learning_rate = 1e-3  # [code]
    config.optim.b1 = 0.9  # [code: Adam's defaults]
    config.optim.decay_from = 1.0
    config.best_metric = "cosine"
    if faces == "stylegan2":
        _use_stylegan2(config, student or "a")
    elif student:
        raise ValueError(f"argument {argument!r}: {student!r} is a student of stylegan2")
    else:
        _use_embedded(config)
    config.lock()
    return config


def _use_embedded(config: ConfigDict) -> None:
    """Sizes for minutes on two CPU cores [inferred]."""
    config.embedder.config = embedder.get_config()
    base.add_embedder(config, "tinyfar", variant="mini", embedding_size=128)
    base.use_drawn_faces(config, side_px=48, persons=1000, validation=64, test=256)
    config.batch_size = 32
    config.num_steps = 1000
    _halve_every(config, 400)
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 64


def _use_stylegan2(config: ConfigDict, student: str) -> None:
    """An epoch is int(1e6 / 128) = 7812 steps of two updates, 2.0 M faces [code]."""
    epoch = 7812
    config.seed = 2021  # [code]
    config.generator.path = "stylegan2_ffhq256.safetensors"  # [code]
    config.embedder.path = "iresnet100_mxnet.safetensors"  # [code]
    base.add_embedder(config, f"tinyfar_{student}")  # [code]
    config.start_from = f"tinynet_{student}.safetensors"  # timm's ImageNet features [code]
    config.data.name = "drawn"
    config.data.train = "0:128"  # not looked at
    config.data.validation = "0:9984"  # 78 batches of 128 [code]; always the same, there fresh
    config.data.test = "9984:19968"
    config.data.canvas_px = config.data.crop_px = 112  # [code]
    config.batch_size = 128  # [code]
    config.num_steps = 21 * epoch  # [code]
    _halve_every(config, 10 * epoch)  # [code]
    config.eval_every_steps = config.save_every_steps = epoch  # [code]
    config.keep_checkpoints = 21  # [code]
    config.eval_batch_size = 128


def _halve_every(config: ConfigDict, steps: int) -> None:
    """The rate, after each so many steps of two updates."""
    config.optim.halve_at = tuple(2 * step for step in range(steps, config.num_steps, steps))


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
