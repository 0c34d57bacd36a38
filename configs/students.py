"""Students that translate images: nets, sizes, loss terms, and the fields KT, KD and KD+ share."""

from types import SimpleNamespace

from ml_collections import ConfigDict

from fsketch.configs import data, shared

# student= -> net (a key of fsketch/nets/students.py), width, num_blocks.
STUDENTS = {
    "full": ("residual", 64, 9),
    "medium": ("residual", 32, 9),
    "small": ("residual", 24, 6),
    "mini": ("residual", 16, 4),
    "separable": ("separable", 64, 9),
}

# variant= -> weights of our own terms beside the papers' (losses/similarity.py, losses/strokes.py,
# methods/students.py), tuned on validation pairs.  With any of them, and always on procedural
# faces, the decoder upsamples by nearest neighbours and has skips: transposed convolutions raise
# FSIM by a lattice in the hair, and texture needs the photo's own pixels.  An `fsim` of 10 scores
# still higher, but draws ribs along contours.  `stroked` also gives the students noise and local
# contrast (nets/resnet.py).
VARIANTS = {
    "structured": {"ssim": 10.0, "fsim": 4.0},
    "textured": {"ssim": 8.0, "fsim": 3.0, "texture": 15.0},
    "stroked": {"ssim": 8.0, "fsim": 4.0, "texture": 15.0, "roughness": 40.0},
}

# The arguments of KT, KD and KD+ except ablations; the first value of each is the default.
KEYS = {
    "data": tuple(data.PAIRS),
    "student": ("default", *STUDENTS),
    "variant": ("default", "none", *VARIANTS),
    "schedule": ("default", "quick"),
    "pairs": ("held_out", "whole"),
    "conditions": ("studio", "anywhere"),
}

# conditions=anywhere: fields of `config.data` for photos that were not taken in the studio [ours].
ANYWHERE = {
    "backgrounds": 0.75,
    "exposure": 1.3,
    "shade": 0.35,
    "tint": 0.12,
    "blur_px": 1.0,
    "noise": 0.03,
    "resolution": 0.4,
    "jpeg": 0.7,
    "roll_degrees": 4.0,
    "zoom": 0.05,
    "brightness": 0.1,
    "contrast": 0.25,
    "saturation": 0.4,
}


def get_config(given: SimpleNamespace) -> ConfigDict:
    """Two students with data, schedule and terms by values of KEYS; without method, unlocked."""
    config = shared.get_config()
    data.use_pairs(config, given.data, whole=given.pairs == "whole")
    add_translator(config, given.student, styles=data.PAIRS[given.data].styles)
    add_transfer(config, variant_of(given))
    add_unlabelled(config)
    data.use_schedule(config, given)
    if given.schedule == "quick":
        config.optim.learning_rate = 1e-3  # [ours]
    if given.conditions == "anywhere":
        config.data.update(ANYWHERE)
    return config


def variant_of(given: SimpleNamespace) -> str:
    """The value of `variant`; its default is structured on procedural faces, else none."""
    default = "structured" if given.data == "procedural" else "none"
    return given.variant.replace("default", default)


def add_translator(config: ConfigDict, student: str, *, styles: tuple[str, ...] = ()) -> None:
    """Adds a translator of fsketch/nets/students.py in a size of STUDENTS.

    "default" is full, or mini on procedural faces [inferred].
    """
    if student == "default":
        student = "mini" if "procedural" in config.data.name else "full"
    config.model = ConfigDict()
    # `net`: a key of nets/students.py NETS.  `width`: channels of the first layer; 64 and 9 blocks
    # are those of the author's pix2pix generator [secondary; use as a student inferred].
    config.model.net, config.model.width, config.model.num_blocks = STUDENTS[student]
    # "instance", "batch" or "none" [inferred: the code has batch, with batches of one]
    config.model.norm = "instance"
    # "transposed" [secondary] or "nearest" [ours], which leaves no lattice
    config.model.up = "transposed"
    # From encoder to decoder, as in a U-Net [ours]
    config.model.skips = False
    if "procedural" in config.data.name:
        config.model.up, config.model.skips = "nearest", True
    # Extra inputs of the first convolution, for strokes [ours]
    config.model.noise = config.model.detail = False
    # Styles that a sketch can be drawn in, by an input; () = one.  The data set must name the style
    # of each sketch, and training sees each style equally often [ours].
    config.model.styles = styles
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always


def add_transfer(config: ConfigDict, variant: str) -> None:
    """Adds the weights of the students' terms (methods/students.py); 0 = not computed.

    variant: a key of VARIANTS, or "none" for the papers' terms alone.
    """
    config.loss_weights = ConfigDict()
    # [secondary: L1 weight of the author's pix2pix; use inferred]
    config.loss_weights.reconstruction = 10.0
    config.loss_weights.mimic = 1.0  # [inferred] for teacher maps of unit mean square
    config.loss_weights.transform = 1.0  # [inferred]
    config.loss_weights.mutual = 1.0  # [inferred]
    config.loss_weights.ssim = 0.0  # [ours] 1 - SSIM
    config.loss_weights.fsim = 0.0  # [ours] 1 - FSIM
    config.loss_weights.texture = 0.0  # [ours] Gram matrices of the teacher's maps, relative
    config.loss_weights.roughness = 0.0  # [ours] local madograms (losses/strokes.py)
    config.model.noise = config.model.detail = variant == "stroked"
    if variant != "none":
        config.loss_weights.update(VARIANTS[variant])
        config.model.up, config.model.skips = "nearest", True


def add_unlabelled(config: ConfigDict) -> None:
    """Adds photos without sketches, which a trained run draws (fsketch/unlabelled.py) [ours]."""
    config.unlabelled = ConfigDict()
    config.unlabelled.folder = ""  # photos, each of one face; "" = none
    config.unlabelled.split = ""  # instead: a split of the data set, whose sketches are not used
    config.unlabelled.teacher = ""  # the run that draws them; it must make sketches
    config.unlabelled.pairs = ""  # instead: a folder photos/, sketches/ that is drawn already


def shrink(config: ConfigDict) -> None:
    """Sets small students for tests."""
    config.model.width, config.model.num_blocks, config.model.norm = 4, 1, "instance"
    config.optim.decay_from, config.optim.ema_rate = 0.5, 0.0
