"""Every field of a configuration, its unit and its default, once.

An experiment starts from `get_config`, adds one of the method sections below and changes what
it needs.  The result is locked: an unknown field or a wrong type on the command line is refused.
An experiment's argument is a list of words, "cuhk,no_mutual,small", at most one of each group
that it admits.
"""

from collections.abc import Sequence

from ml_collections import ConfigDict

PAIRS = ("embedded", "cuhk", "cufs")  # what `use_pairs` knows
PORTRAITS = ("embedded", "celeba", "fs2k", "orl")  # what `use_portraits` knows

# Of PORTRAITS: portraits an epoch (faces times styles), epochs, batch.
SCHEDULES = {
    "embedded": (480, 20, 8),  # [ours]
    # [paper: IFRP: faces, batch; that an epoch sees each style inferred from its time by their
    # number; epochs inferred]
    "celeba": (330_000, 250, 64),
    "fs2k": (1485, 30, 16),  # [ours]
    "orl": (840, 100, 16),  # [ours]
}

TEACHERS = ("teacher", "teacher_photo", "teacher_sketch")  # sections of `add_teacher`
# Sections whose net is trained first where no path is given.
FROZEN = (*TEACHERS, "face", "perceptual")

# Sizes of a student: width, num_blocks.
STUDENTS = {"full": (64, 9), "medium": (32, 9), "small": (24, 6), "mini": (16, 4)}

QUICK = ("quick",)  # the schedule of `use_quick`
WHOLE = ("whole",)  # the pairs of `use_whole`

# Terms of our own beside the papers' (losses/structure.py, losses/strokes.py, methods/students.py):
# variant -> their weights, tuned on validation pairs.  With any of them the decoder enlarges by
# nearest neighbours and has skips: transposed convolutions serve FSIM by a lattice in the hair, and
# texture needs what the photo's own pixels show.  At 10, `feature` scores higher still, by ribs
# along contours.  `stroked` also shows the students noise and local contrast (nets/resnet.py).
VARIANTS = {
    "structured": {"structure": 10.0, "feature": 4.0},
    "textured": {"structure": 8.0, "feature": 3.0, "texture": 15.0},
    "stroked": {"structure": 8.0, "feature": 4.0, "texture": 15.0, "roughness": 40.0},
}


def get_config() -> ConfigDict:
    """What all methods share."""
    config = ConfigDict()
    config.method = ""  # a key of fsketch.methods.METHODS
    config.seed = 0  # of parameters, data order and augmentation
    config.num_steps = 0  # optimizer steps of the whole run
    config.batch_size = 1  # pairs a step, over all devices and processes
    # Parts that a device's pairs of one step are taken in, one after the other, to save memory on
    # GPU and TPU (on CPU it saves none); gradients are averaged, so the step is the same, but not
    # with batch normalisation.
    config.accumulate_steps = 1
    # A workdir whose players give theirs of the same name their parameters to start from, or, where
    # one player learns, converted weights (*.safetensors) of all or a part of it; "" = none.  The
    # workdir's may lack layers that begin at zero.  Of several, A,B,C, the mean of all parameters;
    # runs that share their first steps can be averaged ("Model soups", ICML 2022).
    config.start_from = ""

    config.data = ConfigDict()
    config.data.name = ""  # TFDS builder and configuration, e.g. "cufs/cuhk"
    config.data.train = "train"  # TFDS split strings
    config.data.validation = ""  # selects the best checkpoint; "" = none, the best is the latest
    config.data.test = "test"
    config.data.data_dir = ""  # prepared data sets; "" = the TFDS default
    config.data.manual_dir = ""  # where the files of a data set that cannot be downloaded lie
    # A split whose decoded pairs take more is decoded while it is read, again in each epoch.
    config.data.memory_mb = 4096
    config.data.num_workers = 0  # processes that decode such a training split; 0 = threads
    # (height, width) of every image, for a method that cuts images out of their canvas; () = any.
    config.data.image_px = ()
    config.data.canvas_px = 286  # training images are centred on a square of this side ...
    config.data.crop_px = 256  # ... and cropped to this one; tests use this side alone
    # Training sees random parts of this side in place of whole crops, for a batch of more faces at
    # the same cost; 0 = whole crops.  Needs a net that takes any size.  Instance normalisation
    # then trains on the statistics of parts and is used on those of whole images.
    config.data.part_px = 0
    # Canvas colour, 0..255: black [secondary: SCA-GAN].  White [secondary: SC_Lmser] cannot be told
    # from a sketch's paper, and photos made from sketches then have white patches at the border.
    config.data.fill_photo = 0
    config.data.fill_sketch = 0
    # Around an image lies its mirror image in place of these colours [ours]: black canvas beside
    # dark hair draws black blots into it.
    config.data.fill_mirrored = False
    # 1, or 3 for sketches in colour (stylised portraits); grey ones are repeated then.
    config.data.sketch_channels = 1
    config.data.flip = True  # mirror pairs at random
    # Pairs are enlarged or shrunk by a random factor in 1 -+ zoom; needs the canvas to hold
    # crop_px / (1 - zoom), and crops then begin between pixels.
    config.data.zoom = 0.0
    # Of the photos that nets are shown, drawn for each from +- the number: what is added, as a
    # share of the range from black to white, and by which share the distances from the mean grey
    # of the photo, and from the grey of each pixel, grow.  Photos that are to be made, and those
    # that frozen teachers and critics see, keep their light.
    config.data.brightness = 0.0
    config.data.contrast = 0.0
    config.data.saturation = 0.0

    config.optim = ConfigDict()
    # Adam and its schedule: [secondary: the author's pix2pix; use for KT and KD inferred]
    config.optim.learning_rate = 2e-4
    config.optim.b1 = 0.5
    config.optim.b2 = 0.999
    config.optim.decay_from = 0.5  # share of the run after which the rate falls linearly to 0
    config.optim.halve_at = ()  # numbers of steps after which the rate is halved, besides
    config.optim.ema_rate = 0.0  # of the averaged parameters used for prediction; 0 = none

    config.log_every_steps = 50
    config.eval_every_steps = 1000
    config.save_every_steps = 1000
    config.keep_checkpoints = 2  # newest ones; the best is kept besides
    config.eval_batch_size = 8  # pairs over all devices of a process
    config.num_samples = 8  # pairs in a sample grid: of validation, else of test
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
    # "transposed" [secondary] or "nearest" [ours], which leaves no lattice of its own
    config.model.up = "transposed"
    config.model.skips = False  # from encoder to decoder, as in a U-Net [ours]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always


def add_unet(config: ConfigDict) -> None:
    """The translator of pix2pix (nets/unet.py)."""
    config.model = ConfigDict()
    config.model.width = 64  # channels of the first layer [paper: pix2pix]
    config.model.depth = 8  # halvings; crop_px is a multiple of 2^depth [paper: pix2pix, 256 px]
    # "instance", "batch" or "none" [paper: pix2pix has batch, with batches of one]
    config.model.norm = "instance"
    config.model.dropout_rate = 0.5  # [paper: pix2pix]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always


def add_refiner(config: ConfigDict) -> None:
    """The net of IDE's second stage (nets/mla.py), which names the released code's quirks."""
    config.model = ConfigDict()
    config.model.width = 64  # channels everywhere, a multiple of 4 [code]
    config.model.num_blocks = 8  # aggregation modules [code: 16 is asked for and ignored]
    config.model.head_px = 3  # kernel of the first layer [code; the paper's figure: 5]
    config.model.pool_px = 7  # window of the pooling in attention blocks [code]
    config.model.relu_gate = True  # ReLU before the sigmoid of the channel gate [code]
    config.model.scaled_init = False  # the meant initialisation, not the effective one [code]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always


def add_image_critic(config: ConfigDict) -> None:
    """A critic of whole sub-images (nets/image_critic.py, losses/adversarial.py)."""
    config.critic = ConfigDict()
    # "released" [code] or "paper" [secondary: a picture of the paper's table]
    config.critic.form = "released"
    config.critic.width = 64  # channels of the first layer [code, secondary]
    config.critic.num_layers = 0  # of stride 2; 0 = 5 (released) or 4 (paper) [code, secondary]
    config.critic.loss = "non_saturating"  # cross-entropy of verdicts [code]; as of `add_critic`


def add_sub_images(config: ConfigDict) -> None:
    """The parts of a pair that a step takes (methods/ide.py)."""
    config.sub_images = ConfigDict()
    config.sub_images.px = 128  # side in the fine sketch; half of it in the coarse one [code]
    config.sub_images.stride_px = 64  # between parts; one more lies at the far border [code]
    # Mirror in both directions and transpose, each with probability 1/2 [code].
    config.sub_images.turn = True


def add_perceptual(config: ConfigDict) -> None:
    """A frozen net whose map two images are compared by."""
    config.perceptual = ConfigDict()
    # As teacher.path: converted weights of vgg19 [code] or another net, or a run of
    # configs/teacher.py; "" = train the recogniser of `config` in this section first.
    config.perceptual.path = ""
    config.perceptual.tap = ""  # name of the map; "" = the last before a ReLU, conv5_4 [code]
    config.perceptual.config = ConfigDict()  # a whole configuration of method "teacher"


def add_critic(config: ConfigDict) -> None:
    """Critics that judge patches (nets/patch_critic.py, losses/adversarial.py)."""
    config.critic = ConfigDict()
    config.critic.width = 64  # channels of the first layer [paper: pix2pix]
    config.critic.num_layers = 3  # of stride 2: 70 x 70 patches [paper: pix2pix]
    config.critic.norm = "instance"  # as model.norm
    config.critic.loss = "lsgan"  # "lsgan", "non_saturating" or "hinge"


def add_direction(config: ConfigDict) -> None:
    """What a method with one translator makes."""
    config.direction = "to_sketch"  # or "to_photo"


def add_patches(config: ConfigDict) -> None:
    """The patch model that makes `coarse` images (fsketch/patches); needs `add_direction`."""
    config.patches = ConfigDict()
    # Folder of its results, e.g. of another run; "" = WORKDIR/coarse.
    config.patches.path = ""
    # What patches are compared by, of patches/representations.py; several are weighed by node.
    config.patches.representations = ("grey",)  # [inferred: grey or CIELAB]
    config.patches.patch_px = 10  # [secondary: a public MRF on CUHK]
    config.patches.step_px = 5  # between patches [secondary: the same]
    config.patches.radius_px = 5  # candidates lie at most so far from the node's place [inferred]
    config.patches.num_candidates = 10  # of a node [inferred]
    # At most one candidate of a training image.  [ours: of 11 CUHK training photos, each left out,
    # 0.716 SSIM, 0.771 FSIM, 0.55 Scoot with it; 0.697, 0.771, 0.60 without, sharper]
    config.patches.is_distinct = True
    # Of disagreeing neighbours against unlike patches: (s_D / s_S)^2 [inferred: (0.5 / 1)^2]
    config.patches.overlap_weight = 0.25
    # "weights": candidates are mixed [secondary]; "choice": one is taken, as by a Markov random
    # field.
    config.patches.solver = "weights"
    config.patches.max_iterations = 100  # of the solver
    config.patches.tolerance = 5e-3  # weights: stop this close to the least energy, as a share
    config.patches.damping = 0.5  # choice: share of the old messages in the new
    config.patches.num_alternations = 5  # of several representations' weights [secondary: MrFSPS]
    config.patches.spread = 1.0  # the larger, the more alike their weights [inferred]
    config.patches.stitch = "average"  # or "cut": along least errors [inferred]
    config.patches.memory_mb = 256  # for a chunk of the search


def add_pool(config: ConfigDict) -> None:
    """Earlier fakes shown to the critics (fsketch/core/image_pool.py)."""
    config.pool_size = 50  # fakes that are kept for each critic, 0 = none [paper: CycleGAN]


def add_teacher(config: ConfigDict, name: str) -> None:
    """A frozen teacher: section `name`."""
    section = ConfigDict()
    # A run of configs/teacher.py, or converted weights (*.safetensors) of vgg19 [inferred: the
    # papers' teacher], vgg16, vgg_face, squeezenet_v1.0 or squeezenet_v1.1; "" = train the teacher
    # of `config` in this section first, or reuse it if it is there.
    section.path = ""
    # Three maps of the teacher, against the students' maps at H, H/2 and H/4; () = those that its
    # net names: relu1_2, relu2_2 and relu3_4 of VGG-19, relu3_3 of VGG-16 [inferred].
    section.taps = ()
    section.num_calibration = 64  # training pairs that the maps' magnitudes are measured on
    section.config = ConfigDict()  # a whole configuration of method "teacher"
    config[name] = section


def add_style(config: ConfigDict) -> None:
    """A style network and the image it learns from (nets/style.py, methods/style.py)."""
    config.model = ConfigDict()
    config.model.width = 32  # channels of the first layer [paper: Johnson et al., ECCV 2016]
    config.model.num_blocks = 5  # residual blocks [paper]
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    config.style = ConfigDict()
    config.style.image = "mosaic"  # a painting of data/synthetic/paintings.py, or an image file
    config.style.size_px = 256  # its longer side [code: the authors' release]
    config.style.seed = 0  # of a painting
    config.style.content_tap = ""  # of the content term; "" = the second of teacher.taps
    # Terms as shares of their targets' mean squares, for any teacher [ours]; False: as published.
    config.style.relative = True
    config.loss_weights = ConfigDict()
    config.loss_weights.content = 1.0
    config.loss_weights.style = 1.0
    config.loss_weights.total_variation = 0.0


def add_portraits(config: ConfigDict, network: ConfigDict) -> None:
    """How stylised portraits are made of real faces before training (fsketch/stages/portraits.py).

    network: the whole configuration of method "style" that each style's network is trained with.
    """
    section = ConfigDict()
    # "celeba", "folders" (PERSON/IMAGE) or a set of pairs as "fs2k/train_only" (data/faces.py);
    # "" = config.data is taken as it is.
    section.faces = ""
    section.manual_dir = ""  # where the real faces lie
    section.prefix = ""  # only faces whose ids begin so; "" = all
    section.crop = 1.0  # side of the centred square, share of the shorter side of an image
    section.size_px = 128  # side of faces and portraits [paper: IFRP]
    section.test_share = 0.2  # of the persons, where the source has no split of its own [ours]
    section.validation_share = 0.1
    section.num_train = 0  # at most so many faces; 0 = all
    section.num_validation = 0
    section.num_test = 0
    section.num_content = 10000  # training faces that the networks learn from [ours]
    # Paintings of data/synthetic/paintings.py, or image files.  Ours stand for the paper's Scream,
    # Candy and Mosaic, and beside them Wave, Feathers, Sketch, Composition VII, Starry Night,
    # Udnie, la Muse.
    section.train_styles = ("scream", "candy", "mosaic")
    section.test_styles = ("waves", "feathers", "pencil", "shapes", "swirls", "facets", "glass")
    section.drawn = True  # test faces' drawn sketches, where there are any, are test_sketches
    section.rotation_deg = 30.0  # moved by up to this [paper: its ablation] ...
    section.shift = 0.1  # ... this share of the side [inferred] ...
    section.scale = (0.9, 1.1)  # ... and by factors between these [inferred]
    section.num_angles = 0  # so many evenly spaced rotations alone, 11 or 5 [paper]; 0 = any
    section.seed = 0  # of the moves
    section.networks = ""  # a folder with a run for each style; "" = train them first, or reuse
    section.network = network
    config.portraits = section


def add_remover(config: ConfigDict) -> None:
    """The nets of IFRP (nets/remover.py) and the optimizer of both, in Adam's place."""
    config.model = ConfigDict()
    config.model.variant = "journal"  # or "released", the net of the code
    config.model.width = 32  # channels of the first layer; 16 of "released" [inferred; code]
    config.model.skips = "residual"  # "none", "unet", "top" or "residual" [paper]; journal only
    config.model.join = "add"  # how a skip enters, or "concat" [inferred]; journal only
    config.model.has_transformers = True  # [paper]
    config.model.one_radian_start = False  # transformers that begin as the released code's
    config.model.norm = "batch"  # [paper]; or "instance", "none"
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    config.critic = ConfigDict()
    config.critic.width = 32  # channels of the first layer [code]
    config.critic.norm = "batch"  # [code]
    # Of the critic's losses, between which both players move; 0 = they always do [code]
    config.gate_margin = 0.3
    # Factors of a weight from epoch to epoch [code: adversarial; identity inferred], and the share
    # of it that is never undercut [code: half]
    config.decay = ConfigDict()
    config.decay.adversarial = 0.995
    config.decay.identity = 0.995
    config.decay.least = 0.5

    config.optim = ConfigDict()
    config.optim.learning_rate = 1e-3  # [paper, code]
    config.optim.decay_rate = 0.9  # of RMSprop's mean of squares [code]
    config.optim.epsilon = 1e-8  # [code]
    config.optim.epoch_factor = 0.99  # of the rate, from epoch to epoch [paper, code]
    config.optim.least_rate = 1e-6  # [code]
    config.optim.steps_per_epoch = 1  # for all that changes by epochs
    config.optim.warm_up_steps = 50  # at 1/50 of the rate, then as many at 1/5 [code]
    config.optim.ema_rate = 0.0  # as above


def add_transfer(config: ConfigDict, variant: str) -> None:
    """Weights of the students' terms (methods/students.py); one of weight 0 is not computed.

    `variant` is a key of VARIANTS, "" for the papers' terms alone.
    """
    config.loss_weights = ConfigDict()
    # [secondary: L1 weight of the author's pix2pix; use inferred]
    config.loss_weights.reconstruction = 10.0
    config.loss_weights.mimic = 1.0  # [inferred] on teacher maps of unit mean square
    config.loss_weights.transform = 1.0  # [inferred]
    config.loss_weights.mutual = 1.0  # [inferred]
    config.loss_weights.structure = 0.0  # [ours] 1 - SSIM
    config.loss_weights.feature = 0.0  # [ours] 1 - FSIM
    config.loss_weights.texture = 0.0  # [ours] Gram matrices of the teacher's maps, relative
    config.loss_weights.roughness = 0.0  # [ours] local madograms (losses/strokes.py)
    # What the first convolution sees beside the image, to make strokes of [ours]
    config.model.noise = config.model.detail = variant == "stroked"
    if variant:
        config.loss_weights.update(VARIANTS[variant])
        config.model.up, config.model.skips = "nearest", True


def add_recogniser(config: ConfigDict) -> None:
    """A face recogniser of VGG form (nets/vgg.py)."""
    config.model = ConfigDict()
    config.model.widths = (16, 32, 64, 64)  # channels of each stage
    config.model.depths = (2, 2, 4, 2)  # convolutions of each stage
    config.model.norm = "instance"  # "instance" or "none"
    config.model.embedding_size = 128
    config.model.num_identities = 256  # classes; those of the training split


def add_embedder(config: ConfigDict, net: str, **arguments: object) -> None:
    """The embedder that is trained: a net of fsketch/frozen/embedders.py."""
    config.model = ConfigDict()
    config.model.net = net  # a key of embedders.ARCHITECTURES
    config.model.arguments = ConfigDict(arguments)  # of its constructor
    # What its images of crop_px show: "face", the recognition crop, or "canvas", as they are placed
    config.model.frame = "face"


def add_frozen_embedder(config: ConfigDict) -> None:
    """An embedder that does not learn: section `embedder`."""
    config.embedder = ConfigDict()
    # A run of configs/embedder.py or another that trains an embedder, or converted weights
    # (*.safetensors); "" = train the embedder of `config` in this section first, or reuse it.
    config.embedder.path = ""
    config.embedder.config = ConfigDict()  # a whole configuration of method "embedder"


def add_generator(config: ConfigDict) -> None:
    """What draws faces for data.name "drawn" (fsketch/frozen/generators.py)."""
    config.generator = ConfigDict()
    # Converted weights (*.safetensors) of stylegan2_ffhq256 or stylegan2_256; "" = procedural
    config.generator.path = ""


def use_drawn_faces(
    config: ConfigDict, *, side_px: int, persons: int, validation: int, test: int
) -> None:
    """Faces drawn on the device: so many persons to train on, others to validate and to test.

    Each of these others is shown in four views.
    """
    config.data.name = "drawn"
    config.data.train = f"0:{persons}"
    config.data.validation = f"{persons}:{persons + validation}*4"
    config.data.test = f"{persons + validation}:{persons + validation + test}*4"
    config.data.canvas_px = config.data.crop_px = side_px


def words(argument: str, *groups: Sequence[str]) -> tuple[str, ...]:
    """The word of each group that `argument` names, "" where it names none."""
    given = [word for word in argument.split(",") if word]
    found = tuple(" ".join(word for word in given if word in group) for group in groups)
    known = [word for group in groups for word in group]
    if any(word not in known for word in given) or any(" " in word for word in found):
        admitted = " x ".join("|".join(group) for group in groups)
        raise ValueError(f"argument {argument!r}: at most one word of each of {admitted}")
    return found


def use_pairs(config: ConfigDict, pairs: str) -> None:
    """Data, schedule and intervals of one of PAIRS; "" is the first."""
    if pairs in ("", "embedded"):
        _use_embedded(config)
    else:
        _use_cufs(config, "cufs/cuhk" if pairs == "cuhk" else "cufs/all")


def use_portraits(config: ConfigDict, faces: str) -> None:
    """Data and schedule of one of PORTRAITS; "" is the first.  Needs `add_portraits` before."""
    size, epochs, config.batch_size = SCHEDULES[faces or "embedded"]
    config.num_steps = epochs * (size // config.batch_size)
    config.eval_every_steps = config.save_every_steps = config.num_steps // 50
    config.data.flip = False  # the place of the aligned face is what is learnt
    config.data.sketch_channels = 3
    config.data.train, config.data.validation = "train", "validation"
    config.data.test = "test_seen"  # beside it are test_unseen and test_sketches
    if faces in ("", "embedded"):
        config.data.name = "stylized_faces/procedural"
        config.data.canvas_px = config.data.crop_px = 64
        return
    section = config.portraits
    config.data.name = "stylized_faces/prepared"
    config.data.canvas_px = config.data.crop_px = section.size_px
    config.protocol = "ifrp"
    if faces == "celeba":
        section.faces = "celeba"
        section.num_train, section.num_test = 110000, 2000  # [paper]
        section.num_validation = 500  # [ours]
    elif faces == "fs2k":
        section.faces = "fs2k/train_only"
        section.prefix = "photo1_"  # the part whose faces are framed alike
        section.crop = 0.8
    else:
        section.faces = "folders"


def use_quick(config: ConfigDict) -> None:
    """QUICK: real pairs in less than an hour of one CPU core [ours]; comes after the model.

    Parts of 128 px, four a step, show more faces than whole crops at the same cost.  Statistics of
    a batch hold for parts and whole images alike, those of an instance do not.
    """
    if config.data.crop_px != 256:
        raise ValueError(f"argument {QUICK[0]!r} is for pairs of 256 px, cuhk and cufs")
    config.data.canvas_px, config.data.part_px = 272, 128
    config.data.fill_mirrored = True
    config.model.norm = "batch"
    if "depth" in config.model:
        config.model.width, config.model.depth = 32, 7  # 128 px can be halved so often
    if "critic" in config:
        config.critic.width, config.critic.norm = 32, "batch"
    else:
        config.optim.learning_rate = 1e-3
    config.optim.decay_from = 0.4
    config.optim.ema_rate = 0.985
    config.batch_size = 4
    config.num_steps = 1000
    config.eval_every_steps = config.save_every_steps = 125


def use_whole(config: ConfigDict) -> None:
    """WHOLE: the pairs that were held out are trained on, too; comes after `best_metric`.

    Nothing chooses a checkpoint then: it is the last.  For a schedule that is settled.
    """
    if not config.data.name.startswith("cufs/"):
        raise ValueError(f"argument {WHOLE[0]!r} is for pairs of one training split, cuhk and cufs")
    config.data.train, config.data.validation, config.best_metric = "train", "", ""


def use_student(config: ConfigDict, size: str) -> None:
    """One of STUDENTS; "" is full, or mini on embedded faces [inferred]."""
    if not size:
        size = "mini" if config.data.name.startswith("procedural") else "full"
    config.model.width, config.model.num_blocks = STUDENTS[size]


def _use_embedded(config: ConfigDict) -> None:
    """64 x 80 px procedural faces; sizes chosen for minutes on two CPU cores [inferred]."""
    config.data.name = "procedural_faces/small"
    config.data.validation = "validation"
    config.data.canvas_px = 88
    config.data.crop_px = 80
    config.optim.learning_rate = 1e-3
    config.batch_size = 4
    config.num_steps = 1000
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 16


def _use_cufs(config: ConfigDict, name: str) -> None:
    """200 x 250 px pairs on a 286 canvas, 256 crops [secondary: SC_Lmser, SCA-GAN]."""
    config.data.name = name
    config.protocol = "cufs"
    # Eight training pairs spread over the list, which is ordered by set and sex, choose the best
    # checkpoint (by the sketches where there are); the test pairs never do.
    pairs, first, step = (88, 5, 11) if name == "cufs/cuhk" else (268, 16, 33)
    held_out = range(first, pairs, step)
    config.data.validation = "+".join(f"train[{i}:{i + 1}]" for i in held_out)
    starts, ends = (0, *(i + 1 for i in held_out)), (*held_out, pairs)
    config.data.train = "+".join(
        f"train[{start}:{end}]" for start, end in zip(starts, ends, strict=True)
    )
    config.batch_size = 1  # [secondary: the author's pix2pix]
    pairs -= len(held_out)
    config.num_steps = 200 * pairs  # 200 epochs, 100 constant and 100 falling [secondary]
    config.eval_every_steps = config.save_every_steps = 10 * pairs


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
    small = {
        "model": {
            "width": 4,
            "num_blocks": 1,
            "depth": 4,
            "widths": (4, 8, 16),
            "depths": (2, 2, 4),
            "embedding_size": 8,
        },
        "critic": {"width": 4, "num_layers": 2},
        "style": {"size_px": 32},
        "patches": {
            "patch_px": 8,
            "step_px": 4,
            "radius_px": 1,
            "num_candidates": 2,
            "max_iterations": 10,
        },
    }
    for section, fields in small.items():
        for name, value in fields.items():
            if section in config and name in config[section]:
                config[section][name] = value
    for name in FROZEN:
        if name in config:
            if "num_calibration" in config[name]:
                config[name].num_calibration = 2
            tiny(config[name].config)
    if "generator" in config:
        use_drawn_faces(config, side_px=32, persons=8, validation=2, test=2)
    if "embedder" in config:
        tiny(config.embedder.config)
    if "net" in config.model:  # an embedder
        config.model.net = "vgg"
        config.model.arguments = ConfigDict(
            {"widths": (4, 8), "depths": (1, 1), "embedding_size": 8}
        )
    return config
