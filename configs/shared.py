"""Fields that all experiments share, and sections that several methods share.

A method's configuration starts from `get_config`, adds the sections it needs and sets its own
fields.  Each field states its unit and its source: [paper], [code], [secondary], [inferred],
[ours].  The result is locked, so unknown fields and wrong types on the command line are refused.
Its argument is a list key=value,key=value, which `arguments` parses.
"""

from collections.abc import Sequence
from types import SimpleNamespace

from ml_collections import ConfigDict

TEACHERS = ("teacher", "teacher_photo", "teacher_sketch")  # sections of `add_teacher`
# Sections whose net is trained first if they have no path.
FROZEN = (*TEACHERS, "face", "perceptual")

# Old positional words -> current values, if they differ.
RENAMED = {
    "embedded": "procedural",
    "folder": "identity_folder",
    "paper_critic": "paper",
    "no_stn": "no",
}


def arguments(file: str, argument: str, **known: Sequence[str]) -> SimpleNamespace:
    """The value of each key in `known`: from `argument`, or the first known value.

    file: the name of the config, for messages.  argument: "key=value,key=value", or "".
    Raises ValueError for a word without "=", an unknown key or value, and a key given twice.
    """
    where = f"{file}:{argument}"
    parts = [part for part in argument.split(",") if part]
    if words := [part for part in parts if "=" not in part]:
        new = [(word, RENAMED.get(word, word)) for word in words]
        places = [(w, f"{key}={v}") for w, v in new for key in known if v in known[key]]
        example = ",".join(place for _, place in places) or f"{next(iter(known))}=..."
        hints = [f"{word!r} is now {place}" for word, place in places]
        hints = hints or [f"got {words[0]!r}; the keys are {', '.join(known)}"]
        raise ValueError(f"{where}: expected key=value, e.g. {example}; {', '.join(hints)}")
    given: dict[str, str] = {}
    for key, _, value in (part.partition("=") for part in parts):
        if key not in known:
            raise ValueError(f"{where}: expected one of the keys {', '.join(known)}, got {key!r}")
        if value not in known[key]:
            raise ValueError(
                f"{where}: {key}: expected one of {', '.join(known[key])}, got {value!r}"
            )
        if key in given:
            raise ValueError(f"{where}: {key}: expected once, got {given[key]!r} and {value!r}")
        given[key] = value
    return SimpleNamespace(**{key: values[0] for key, values in known.items()} | given)


def get_config() -> ConfigDict:
    """The fields that all methods share."""
    config = ConfigDict()
    config.method = ""  # a key of fsketch.methods.METHODS
    config.seed = 0  # for parameters, data order and augmentation
    config.num_steps = 0  # optimizer steps of the whole run
    config.batch_size = 1  # pairs a step, over all devices and processes
    # Split each device's pairs of a step into this many parts, taken one after another, to save
    # memory on GPU and TPU (not on CPU).  Gradients are averaged, so the step is the same, except
    # with batch normalisation.
    config.accumulate_steps = 1
    # Initialise players from the players of the same name in this workdir; layers that start at
    # zero may be missing there.  With a single player, converted weights (*.safetensors) of all or
    # part of it; "" = none.  Several workdirs A,B,C give the mean of all parameters; runs that
    # share their first steps can be averaged ("Model soups", ICML 2022).
    config.start_from = ""

    config.data = ConfigDict()
    config.data.name = ""  # TFDS builder and configuration, e.g. "cufs/cuhk"
    config.data.train = "train"  # TFDS split strings
    config.data.validation = ""  # selects the best checkpoint; "" = none, the best is the latest
    config.data.test = "test"
    config.data.data_dir = ""  # prepared data sets; "" = the TFDS default
    config.data.manual_dir = ""  # folder of the files of a data set that cannot be downloaded
    # A split whose decoded pairs need more memory is decoded while it is read, in every epoch.
    config.data.memory_mb = 4096
    config.data.num_workers = 0  # processes that decode such a training split; 0 = threads
    # (height, width) of every image, for methods that cut images out of their canvas; () = any.
    config.data.image_px = ()
    config.data.canvas_px = 286  # training images are centred on a square of this side ...
    config.data.crop_px = 256  # ... and cropped to this side; tests use only this side
    # Train on random parts of this side instead of whole crops, so that a batch has more faces at
    # the same cost; 0 = whole crops.  The net must take any size.  Instance normalisation then
    # trains on the statistics of parts and predicts with those of whole images.
    config.data.part_px = 0
    # Canvas colour, 0..255: black [secondary: SCA-GAN].  White [secondary: SC_Lmser] looks like a
    # sketch's paper, and photos made from sketches then have white patches at the border.
    config.data.fill_photo = 0
    config.data.fill_sketch = 0
    # Surround an image with its mirror image instead of these colours [ours]: black canvas beside
    # dark hair draws black blots into it.
    config.data.fill_mirrored = False
    # 1, or 3 for sketches in colour (stylised portraits); grey sketches are then repeated.
    config.data.sketch_channels = 1
    config.data.flip = True  # mirror pairs at random
    # Scale pairs by a random factor in 1 -+ zoom; the canvas must hold what training sees
    # (crop_px, or part_px) / (1 - zoom), and crops then start between pixels.
    config.data.zoom = 0.0
    config.data.roll_degrees = 0.0  # turn pairs by up to this angle, either way [ours]
    # Random light on the input photos, drawn for each photo from +- the number: brightness is added
    # (share of the range from black to white); contrast and saturation scale by this share the
    # distances from the photo's mean grey and from each pixel's grey.  Target photos, and the
    # photos that frozen teachers and critics see, keep their light.
    config.data.brightness = 0.0
    config.data.contrast = 0.0
    config.data.saturation = 0.0
    # Conditions of own photos on the input photos [ours] (fsketch/data/conditions.py); 0 = off.
    config.data.backgrounds = 0.0  # share of photos whose even background is replaced
    config.data.exposure = 0.0  # stops that the person is darker, or a quarter of them brighter
    config.data.shade = 0.0  # share by which one side is brighter and the other darker, at most
    config.data.tint = 0.0  # share by which each colour is stronger or weaker, at most
    config.data.blur_px = 0.0  # deviation of a blur, at most
    config.data.noise = 0.0  # deviation of white noise, as a share of the range, at most
    config.data.resolution = 0.0  # share of the size lost by scaling down and up, at most
    config.data.jpeg = 0.0  # 1 - quality of a JPEG file, at most
    # Colour, 3 values from 0 to 255, of the background of photos as targets [ours]; () = their own.
    config.data.even_background = ()

    config.optim = ConfigDict()
    # Adam and its schedule: [secondary: the author's pix2pix; use for KT and KD inferred]
    config.optim.learning_rate = 2e-4
    config.optim.b1 = 0.5
    config.optim.b2 = 0.999
    config.optim.decay_from = 0.5  # share of the run after which the rate falls linearly to 0
    config.optim.halve_at = ()  # the learning rate is also halved at each of these steps
    config.optim.ema_rate = 0.0  # of the averaged parameters used for prediction; 0 = none

    config.log_every_steps = 50
    config.eval_every_steps = 1000
    config.save_every_steps = 1000
    config.keep_checkpoints = 2  # newest ones; the best is also kept
    config.eval_batch_size = 8  # pairs over all devices of a process
    config.num_samples = 8  # pairs in a sample sheet: validation pairs or, without any, test pairs
    config.protocol = "plain"  # a key of fsketch/scoring/protocols.py PROTOCOLS
    config.best_metric = ""  # e.g. "to_sketch/ssim", higher is better
    return config


def add_teacher(config: ConfigDict, name: str, teacher: ConfigDict) -> None:
    """Adds a frozen teacher as section `name`; teacher: a whole configuration of that method."""
    section = ConfigDict()
    # A run of configs/teacher.py, or converted weights (*.safetensors) of vgg19 [inferred: the
    # papers' teacher], vgg16, vgg_face, squeezenet_v1.0 or squeezenet_v1.1; "" = train the teacher
    # of `config` in this section first, or reuse it.
    section.path = ""
    # Three maps of the teacher, compared with the students' maps at H, H/2 and H/4; () = the net's
    # defaults: relu1_2, relu2_2 and relu3_4 of VGG-19, relu3_3 of VGG-16 [inferred].
    section.taps = ()
    section.num_calibration = 64  # training pairs that measure the magnitudes of the maps
    section.config = teacher
    config[name] = section


def add_critic(config: ConfigDict) -> None:
    """Adds critics that judge patches (nets/patch_critic.py, losses/adversarial.py).

    Those of parts have half the width and batch normalisation [ours], as data.use_parts.
    """
    config.critic = ConfigDict()
    config.critic.width = 64  # channels of the first layer [paper: pix2pix]
    config.critic.num_layers = 3  # of stride 2: 70 x 70 patches [paper: pix2pix]
    # Critics of the image at its size, half of it, a quarter ... [pix2pixHD; use ours]
    config.critic.num_scales = 1
    config.critic.norm = "instance"  # as model.norm
    config.critic.loss = "lsgan"  # "lsgan", "non_saturating" or "hinge"
    if config.data.part_px:
        config.critic.width, config.critic.norm = 32, "batch"


def add_direction(config: ConfigDict, direction: str) -> None:
    """Adds the direction of a method with one translator: "to_sketch" or "to_photo"."""
    config.direction = direction


def add_embedder(config: ConfigDict, net: str, **constructor: object) -> None:
    """Adds the embedder to train: a net of fsketch/frozen/embedders.py."""
    config.model = ConfigDict()
    config.model.net = net  # a key of embedders.ARCHITECTURES
    config.model.arguments = ConfigDict(constructor)  # of its constructor
    # Content of its images of crop_px: "face", the recognition crop, or "canvas", the whole canvas
    config.model.frame = "face"


def add_generator(config: ConfigDict) -> None:
    """Adds the generator that draws faces for data.name "drawn" (fsketch/frozen/generators.py)."""
    config.generator = ConfigDict()
    # Converted weights (*.safetensors) of stylegan2_ffhq256, stylegan2_256 or dcgan_digiface;
    # "" = procedural
    config.generator.path = ""


def shrink(config: ConfigDict) -> ConfigDict:
    """Sets the shared fields for tests of a few seconds; returns `config`."""
    config.num_steps = config.batch_size = config.eval_batch_size = config.num_samples = 2
    config.eval_every_steps = config.save_every_steps = 2
    config.log_every_steps = 1
    config.data.name = "procedural_faces/tiny"
    config.data.canvas_px, config.data.crop_px, config.data.part_px = 40, 32, 0
    config.data.fill_mirrored = False
    return config


def shrink_embedder(config: ConfigDict) -> None:
    """Sets a small net of `add_embedder` for tests."""
    config.model.net = "vgg"
    config.model.arguments = ConfigDict({"widths": (4, 8), "depths": (1, 1), "embedding_size": 8})


def shrink_teacher(section: ConfigDict, teacher: ConfigDict) -> None:
    """Sets a section of `add_teacher` for tests; `teacher` is the tiny one."""
    section.num_calibration = 2
    section.config = teacher


def shrink_critic(config: ConfigDict) -> None:
    """Sets small critics for tests."""
    config.critic.width, config.critic.num_layers = 4, 2
    if "norm" in config.critic:
        config.critic.norm = "instance"
