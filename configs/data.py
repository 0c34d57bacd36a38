"""Data sets and their schedules, for the arguments `data=` and `portraits=`.

`data=`       pairs (PAIRS).  All except procedural need --config.data.manual_dir=DIR; the README of
              the builder (tfds_builders/) describes its layout.
`portraits=`  stylised portraits of real faces (PORTRAITS).  All except procedural need
              --config.portraits.manual_dir=DIR; fsketch/stages/portraits.py makes them first.

Validation pairs choose the best checkpoint (by sketches if the run makes any); test pairs never do.
In a data set without a validation split they are training pairs spread over the list, which is
ordered by set and sex: the middle pair of each of `num_held_out` equal parts.
"""

from types import SimpleNamespace
from typing import NamedTuple

from ml_collections import ConfigDict


class Pairs(NamedTuple):
    """A data set of pairs and its schedule.

    name: TFDS builder and configuration.  num_train: training pairs, including held-out ones.
    num_held_out: training pairs held out for validation, 0 = the set has a validation split.
    With `styles` each of them counts as often as the most frequent one (data/pipeline.py `epoch`).
    canvas_px, crop_px: as in config.data.  num_epochs: epochs with batches of one, half of them at
    a constant learning rate, half of them at a falling one.
    """

    name: str
    num_train: int
    num_held_out: int = 0
    protocol: str = "plain"
    metric: str = "ssim"  # metric of the protocol that chooses the best checkpoint
    canvas_px: int = 286  # [secondary: SC_Lmser, SCA-GAN], for 200 x 250 px; other sizes [ours]
    crop_px: int = 256
    styles: tuple[str, ...] = ()  # those of its sketches, where one student draws in all of them
    num_epochs: int = 200  # [secondary: the author's pix2pix]; on other sets than CUFS [inferred]


FS2K = ("fs2k1", "fs2k2", "fs2k3")

PAIRS = {
    # 128 x 160 px; schedule in `_use_procedural`
    "procedural": Pairs("procedural_faces/small", 400, canvas_px=176, crop_px=160),
    "cuhk": Pairs("cufs/cuhk", 88, 8, "cufs"),
    "ar": Pairs("cufs/ar", 80, 8, "cufs"),
    "xm2vts": Pairs("cufs/xm2vts", 100, 8, "cufs"),
    "cufs": Pairs("cufs/all", 268, 8, "cufs"),
    # The split of SC_Lmser; for that of CA-GAN: --config.data.name=cufsf/ca_gan
    "cufsf": Pairs("cufsf/sc_lmser", 250, 8, "cufsf"),
    # Sizes differ, up to 475 x 340 px, and faces are not aligned; 512 suits any net here.
    "fs2k": Pairs("fs2k/all", 1058, 24, "fs2k", "scoot", canvas_px=544, crop_px=512),
    # Faces aligned to 200 x 250 px by the detector; three styles.  The split held_out is a tenth of
    # the training half.  Without the test half: --config.data.name=fs2k/train_only_aligned
    # --config.data.test=held_out.
    "fs2k_aligned": Pairs("fs2k/aligned", 950, 0, "cufs", styles=FS2K),
    # CUHK's 80 pairs and the training half of fs2k_aligned, each of the four styles as often.
    "styles": Pairs("styles", 1250, 0, "cufs", styles=("cuhk", *FS2K)),
    # Pairs of up to 256 px a side.  pairs.csv or the folders define the splits train, validation
    # and test; if all pairs are the split train, cut it, e.g. by
    # --config.data.train=train[20:] --config.data.validation=train[:10]
    # --config.data.test=train[10:20].  The schedule is that of 80 pairs, as for cuhk [ours].
    "paired_folder": Pairs("paired_folder", 80),
}


class Faces(NamedTuple):
    """A source of faces for portraits (fsketch/data/faces.py); "" uses config.data unchanged."""

    source: str
    num_portraits: int  # in an epoch: faces times styles
    num_epochs: int
    batch_size: int


PORTRAITS = {
    "procedural": Faces("", 480, 20, 8),  # [ours]
    # [paper: IFRP: faces, batch; inferred: an epoch sees each style (its time grows with their
    # number), number of epochs]
    "celeba": Faces("celeba", 330_000, 250, 64),
    "fs2k": Faces("fs2k/train_only", 1485, 30, 16),  # [ours]
    "orl": Faces("folders", 840, 100, 16),  # [ours]
}


def held_out(pairs: Pairs) -> range:
    """The indices of the training pairs that are held out for validation."""
    step = pairs.num_train // pairs.num_held_out
    return range(step // 2, pairs.num_train, step)


def use_pairs(config: ConfigDict, name: str, *, whole: bool, direction: str = "to_sketch") -> None:
    """Sets data, schedule, intervals and protocol for a key of PAIRS.

    whole: also train on the held-out pairs.  Then no pairs choose a checkpoint and the last one is
    used, so the schedule must be settled.
    """
    pairs = PAIRS[name]
    config.data.name = pairs.name
    config.data.canvas_px, config.data.crop_px = pairs.canvas_px, pairs.crop_px
    config.protocol = pairs.protocol
    config.data.validation, config.best_metric = "validation", f"{direction}/{pairs.metric}"
    if name == "procedural":
        _use_procedural(config)
    else:
        num_train = pairs.num_train - pairs.num_held_out
        config.batch_size = 1  # [secondary: the author's pix2pix]
        config.num_steps = pairs.num_epochs * num_train
        config.eval_every_steps = config.save_every_steps = 10 * num_train
    if pairs.num_held_out:
        places = held_out(pairs)
        config.data.validation = "+".join(f"train[{i}:{i + 1}]" for i in places)
        bounds = zip((0, *(i + 1 for i in places)), (*places, pairs.num_train), strict=True)
        config.data.train = "+".join(f"train[{start}:{end}]" for start, end in bounds)
    if whole:
        if not pairs.num_held_out:
            sets = ", ".join(key for key, value in PAIRS.items() if value.num_held_out)
            raise ValueError(f"pairs=whole: expected data={sets}, got data={name}")
        config.data.train, config.data.validation, config.best_metric = "train", "", ""


def use_schedule(config: ConfigDict, given: SimpleNamespace) -> None:
    """The schedule of arguments `data` and `schedule`; as `use_parts`."""
    if given.schedule == "quick":
        use_quick(config)
    elif given.data == "procedural":
        use_parts(config, 80)


def _use_procedural(config: ConfigDict) -> None:
    """A schedule for minutes on two CPU cores [ours], the same for all methods."""
    config.optim.learning_rate = 1e-3
    config.optim.decay_from = 0.4
    config.optim.ema_rate = 0.985
    config.batch_size = 4
    config.num_steps = 1000
    config.eval_every_steps = config.save_every_steps = 250


def use_parts(config: ConfigDict, part_px: int) -> None:
    """Trains on parts of this side, which show more faces than whole crops at the same cost [ours].

    Batch statistics fit both parts and whole images, instance statistics do not, so model.norm is
    "batch".  After the translator, before `shared.add_critic`.
    """
    config.data.part_px = part_px
    config.data.fill_mirrored = True
    config.model.norm = "batch"


def use_quick(config: ConfigDict) -> None:
    """schedule=quick: real pairs in less than an hour of one CPU core [ours]; as `use_parts`."""
    if config.data.crop_px != 256:
        raise ValueError(
            f"schedule=quick: expected pairs on a canvas of 256 px, got {config.data.crop_px} px "
            f"({config.data.name})"
        )
    use_parts(config, 128)
    config.data.canvas_px = 272
    config.optim.decay_from = 0.4
    config.optim.ema_rate = 0.985
    config.batch_size = 4
    config.num_steps = 1000
    config.eval_every_steps = config.save_every_steps = 125


def use_drawn_faces(
    config: ConfigDict, *, side_px: int, persons: int, validation: int, test: int
) -> None:
    """Faces drawn on the device: numbers of persons for training, validation and test.

    Validation and test show four views of each person.
    """
    config.data.name = "drawn"
    config.data.train = f"0:{persons}"
    config.data.validation = f"{persons}:{persons + validation}*4"
    config.data.test = f"{persons + validation}:{persons + validation + test}*4"
    config.data.canvas_px = config.data.crop_px = side_px


def add_portraits(config: ConfigDict, network: ConfigDict) -> None:
    """Adds the settings of stylised portraits made before training (fsketch/stages/portraits.py).

    network: a whole configuration of method "style", used to train the network of each style.
    """
    section = ConfigDict()
    # "celeba", "folders" (PERSON/IMAGE) or a set of pairs, e.g. "fs2k/train_only" (data/faces.py);
    # "" = use config.data unchanged.
    section.faces = ""
    section.manual_dir = ""  # folder of the real faces
    section.prefix = ""  # use only faces whose ids start with this; "" = all
    section.crop = 1.0  # side of the centred square, share of the shorter side of an image
    section.size_px = 128  # side of faces and portraits [paper: IFRP]
    section.test_share = 0.2  # of the persons, if the source has no split of its own [ours]
    section.validation_share = 0.1
    section.num_train = 0  # largest number of faces; 0 = all
    section.num_validation = 0
    section.num_test = 0
    section.num_content = 10000  # training faces for the style networks [ours]
    # Paintings of data/synthetic/paintings.py, or image files.  Ours stand for the paper's Scream,
    # Candy and Mosaic (train), and Wave, Feathers, Sketch, Composition VII, Starry Night, Udnie and
    # la Muse (test).
    section.train_styles = ("scream", "candy", "mosaic")
    section.test_styles = ("waves", "feathers", "pencil", "shapes", "swirls", "facets", "glass")
    # Train on this many of both lists, the farthest from the training faces, and test on the rest
    # [paper: 3, from its candidates]; 0 = as the lists say, the names of the paper's choice.
    section.num_distinct = 0
    section.drawn = True  # drawn sketches of the test faces, if any, are the split test_sketches
    section.rotation_deg = 30.0  # largest rotation of a portrait [paper: its ablation]
    section.shift = 0.1  # largest shift, share of the side [inferred]
    section.scale = (0.9, 1.1)  # range of the scale factor [inferred]
    # 0 = any angle; 11 = one of -30, -20, -15, -10, -5, 0, 5, 10, 15, 20, 30 [paper]; 5 = every 15
    # degrees [paper: five; inferred: which]
    section.num_angles = 0
    section.seed = 0  # for rotation, shift and scale
    section.networks = ""  # a folder with a run for each style; "" = train or reuse our own
    section.network = network
    config.portraits = section


def use_portraits_alone(config: ConfigDict, where: str, given: SimpleNamespace) -> None:
    """`use_portraits` of given.portraits; `where`, for ValueError: the config with its argument."""
    if (given.data, given.pairs, given.schedule) != ("procedural", "held_out", "default"):
        raise ValueError(f"{where}: expected portraits= without data=, pairs= and schedule=")
    use_portraits(config, given.portraits)


def use_portraits(config: ConfigDict, name: str) -> None:
    """Sets data and schedule for a key of PORTRAITS; call `add_portraits` before."""
    faces = PORTRAITS[name]
    config.batch_size = faces.batch_size
    config.num_steps = faces.num_epochs * (faces.num_portraits // faces.batch_size)
    config.eval_every_steps = config.save_every_steps = config.num_steps // 50
    config.data.flip = False  # the net learns the place of the aligned face
    config.data.sketch_channels = 3
    config.data.train, config.data.validation = "train", "validation"
    config.data.test = "test_seen"  # also available: test_unseen and test_sketches
    config.best_metric = "to_photo/ssim"
    if name == "procedural":
        config.data.name = "stylized_faces/procedural"
        config.data.canvas_px = config.data.crop_px = 64
        return
    section = config.portraits
    section.faces = faces.source
    config.data.name = "stylized_faces/prepared"
    config.data.canvas_px = config.data.crop_px = section.size_px
    config.protocol = "ifrp"
    if name == "celeba":
        section.num_train, section.num_test = 110000, 2000  # [paper]
        section.num_validation = 500  # [ours]
    elif name == "fs2k":
        section.prefix = "photo1_"  # the part with uniformly framed faces
        section.crop = 0.8
