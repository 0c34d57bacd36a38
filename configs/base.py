"""Every field of a configuration, its unit and its default, once.

An experiment starts from `get_config`, adds one of the method sections below and changes what
it needs.  The result is locked: an unknown field or a wrong type on the command line is refused.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """What all methods share."""
    config = ConfigDict()
    config.method = ""  # a key of fsketch.methods.METHODS
    config.seed = 0  # of parameters, data order and augmentation
    config.num_steps = 0  # optimizer steps of the whole run
    config.batch_size = 1  # pairs a step, over all devices and processes

    config.data = ConfigDict()
    config.data.name = ""  # TFDS builder and configuration, e.g. "cufs/cuhk"
    config.data.train = "train"  # TFDS split strings
    config.data.validation = ""  # selects the best checkpoint; "" = none, the best is the latest
    config.data.test = "test"
    config.data.data_dir = ""  # prepared data sets; "" = the TFDS default
    config.data.manual_dir = ""  # where the files of a data set that cannot be downloaded lie
    config.data.canvas_px = 286  # training images are centred on a square of this side ...
    config.data.crop_px = 256  # ... and cropped to this one; tests use this side alone
    # Canvas colour, 0..255: black [secondary: SCA-GAN].  White [secondary: SC_Lmser] cannot be told
    # from a sketch's paper, and photos made from sketches then have white patches at the border.
    config.data.fill_photo = 0
    config.data.fill_sketch = 0
    config.data.flip = True  # mirror pairs at random

    config.optim = ConfigDict()
    # Adam and its schedule: [secondary: the author's pix2pix; use for KT and KD inferred]
    config.optim.learning_rate = 2e-4
    config.optim.b1 = 0.5
    config.optim.b2 = 0.999
    config.optim.decay_from = 0.5  # share of the run after which the rate falls linearly to 0
    config.optim.ema_rate = 0.0  # of the averaged parameters used for prediction; 0 = none

    config.log_every_steps = 50
    config.eval_every_steps = 1000
    config.save_every_steps = 1000
    config.keep_checkpoints = 2  # newest ones; the best is kept besides
    config.eval_batch_size = 8  # pairs over all devices of a process
    config.num_samples = 8  # test pairs in a sample grid
    config.protocol = "plain"  # a key of fsketch.scoring.protocols.PROTOCOLS
    config.best_metric = ""  # e.g. "to_sketch/ssim", higher is better
    return config


def add_translator(config: ConfigDict) -> None:
    """Students that translate images (nets/resnet.py)."""
    config.model = ConfigDict()
    # [secondary: the generator of the author's pix2pix; use as a student inferred]
    config.model.width = 64  # channels of the first layer
    config.model.num_blocks = 9
    # "instance", "batch" or "none" [inferred: the code has batch, with batches of one]
    config.model.norm = "instance"
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always


def add_teacher(config: ConfigDict) -> None:
    """A frozen teacher; used by KD."""
    config.teacher = ConfigDict()
    # A run of configs/teacher.py, or converted weights (*.safetensors); "" = train the teacher
    # of `teacher.config` first, or reuse it if it is there.
    config.teacher.path = ""
    config.teacher.taps = ()  # three maps of the teacher; () = those that its net names
    config.teacher.num_calibration = 64  # training pairs that the maps' magnitudes are measured on
    config.teacher.config = ConfigDict()  # a whole configuration of method "teacher"


def add_recogniser(config: ConfigDict) -> None:
    """A face recogniser of VGG form (nets/vgg.py)."""
    config.model = ConfigDict()
    config.model.widths = (16, 32, 64, 64)  # channels of each stage
    config.model.depths = (2, 2, 4, 2)  # convolutions of each stage
    config.model.norm = "instance"  # "instance" or "none"
    config.model.embedding_size = 128
    config.model.num_identities = 256  # classes; those of the training split


def tiny(config: ConfigDict) -> ConfigDict:
    """The same experiment at a size for tests: seconds, not minutes."""
    config.num_steps = 2
    config.batch_size = 2
    config.log_every_steps = 1
    config.eval_every_steps = 2
    config.save_every_steps = 2
    config.eval_batch_size = 2
    config.num_samples = 2
    config.data.name = "procedural_faces/tiny"
    config.data.canvas_px = 40
    config.data.crop_px = 32
    if "model" in config and "width" in config.model:
        config.model.width = 4
        config.model.num_blocks = 1
    if "model" in config and "widths" in config.model:
        config.model.widths = (4, 8, 16)
        config.model.depths = (2, 2, 4)
        config.model.embedding_size = 8
    if "teacher" in config:
        config.teacher.num_calibration = 2
        tiny(config.teacher.config)
    return config
