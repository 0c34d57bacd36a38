"""IFRP: aligned real faces from unaligned stylised portraits.

Paper      Shiri et al., "Identity-preserving Face Recovery from Stylized Portraits", IJCV 2019
           (arXiv 1904.04241), and its released code.  110 K faces of CelebA at 128 px, batches of
           64, RMSprop 1e-3, falling by 1 % an epoch [paper]; weights, warm-up and margin [code];
           the weight of the identity term and 250 epochs [inferred].
Run        fsketch train --config=configs/ifrp.py --workdir=runs/ifrp
           portraits=  procedural (default; stylised by a filter), celeba (the paper's size), fs2k,
                       orl; for the last three, --config.portraits.manual_dir=DIR holds the real
                       faces, and the portraits are made first and kept beside the workdir.
           ablation=   none (default; all three losses), no_identity, no_adversarial, pixel_only.
           net=        residual (default; two skips with residual blocks), skips (without the
                       blocks), unet, plain (no skip), or released (the code's).
           transformers=  yes (default), no.
           up=         transposed (the paper's), or nearest, which leaves no lattice [ours] (default
                       on procedural); net=released has its own.
           E.g. configs/ifrp.py:portraits=celeba,ablation=no_identity,transformers=no.  Baselines:
           configs/pix2pix.py:portraits=fs2k, configs/cyclegan.py:portraits=fs2k.
           Training styles: our scream, candy and mosaic, named after those that the paper's
           selection ended with [paper]; --config.portraits.num_distinct=3 selects among all ten,
           by the paper's distance from the faces at hand.
           The test split is test_seen; for the others run `fsketch evaluate --split=test_unseen` or
           test_sketches.
           Identity: our recogniser, trained first, at weight 0.1; or, with celeba's default weight
           1e-3, --config.face.path=vgg_face.safetensors, whose maps are much larger, or
           facenet_vggface2.safetensors with "--config.face.taps=('conv2d_4a',)".
Cost       fs2k: on an H200, ten style networks of 500 steps in two minutes and 3249 portraits in
           half a minute; then 370 to 770 portraits/s, shared with other trainings.  The jitted net
           takes 32 ms a face on two shared CPU cores, the fastest of 30 calls (paper: 8 ms on a
           GPU).  Parameters at full width: remover 11.66 M including 1.66 M of transformers
           (released: 8.36 M, 0.89 M), critic 6.66 M.
           At half width, a quarter of the parameters, 1.3 s a step on one CPU core, an hour in all.
Expect     fs2k: configs/experiments/ifrp_fs2k.py, ifrp_ablation.py; orl: ifrp_orl.py.  celeba: not
           run yet.  `fsketch report ifrp` reproduces the paper's tables beside its numbers.
"""

from ml_collections import ConfigDict

from fsketch.configs import data, shared, style, teacher

# Ablation -> terms with weight 0.
ABLATIONS = {
    "none": (),
    "pixel_only": ("identity", "adversarial"),
    "no_identity": ("identity",),
    "no_adversarial": ("adversarial",),
}
SKIPS = {"residual": "residual", "plain": "none", "unet": "unet", "skips": "top"}  # by net=
KEYS = {
    "portraits": tuple(data.PORTRAITS),
    "ablation": tuple(ABLATIONS),
    "net": (*SKIPS, "released"),
    "transformers": ("yes", "no"),
    "up": ("default", "transposed", "nearest"),
}


def get_config(argument: str = "") -> ConfigDict:
    given = shared.arguments("configs/ifrp.py", argument, **KEYS)
    config = shared.get_config()
    config.method = "ifrp"
    _add_remover(config)
    shared.add_teacher(config, "face", teacher.get_config())
    # [paper: FaceNet, whose code has no layer of that name; VGG inferred]
    config.face.taps = ("relu3_2",)

    config.loss_weights = ConfigDict()  # a term of weight 0 is not computed
    config.loss_weights.pixel = 1.0  # [paper]
    config.loss_weights.adversarial = 0.01  # [code]
    # [inferred: the code's unused decay ends at 5e-4, as the adversarial one at half its start]
    config.loss_weights.identity = 1e-3
    if given.portraits != "celeba":
        config.loss_weights.identity = 0.1  # [ours] for our recogniser's normalised maps
    for term in ABLATIONS[given.ablation]:
        config.loss_weights[term] = 0.0

    data.add_portraits(config, style.get_config())
    data.use_portraits(config, given.portraits)
    faces = data.PORTRAITS[given.portraits]
    config.optim.steps_per_epoch = faces.num_portraits // config.batch_size
    if given.portraits == "celeba":
        config.seed = 1  # [code]; others keep 0, with which they were recorded
    if given.portraits == "procedural":
        _make_small(config)
        config.model.up = "nearest"
    if given.up != "default":
        config.model.up = given.up
    if given.net == "released":
        config.model.variant = "released"
        config.model.width //= 2
        if given.portraits == "procedural":
            config.data.canvas_px = config.data.crop_px = 128  # the net halves six times
    else:
        config.model.skips = SKIPS[given.net]
        if given.net == "unet":
            config.model.join = "concat"  # as in a U-Net [inferred]
    config.model.has_transformers = given.transformers == "yes"
    return config.lock()


def _add_remover(config: ConfigDict) -> None:
    """The nets of IFRP (nets/remover.py) and their optimizer, which replaces Adam."""
    config.model = ConfigDict()
    config.model.variant = "journal"  # or "released", the net of the code
    config.model.width = 32  # channels of the first layer; "released": 16 [inferred; code]
    config.model.skips = "residual"  # "none", "unet", "top" or "residual" [paper]; journal only
    config.model.join = "add"  # how a skip enters, or "concat" [inferred]; journal only
    config.model.up = "transposed"  # [paper], or "nearest" [ours]; journal only
    config.model.has_transformers = True  # [paper]
    config.model.one_radian_start = False  # True: transformers start as in the released code
    config.model.norm = "batch"  # [paper]; or "instance", "none"
    config.model.dtype = "float32"  # type to compute in; parameters are float32 always
    config.critic = ConfigDict()
    config.critic.width = 32  # channels of the first layer [code]
    config.critic.norm = "batch"  # [code]
    # Range of the critic's losses in which both players are updated; 0 = always both [code]
    config.gate_margin = 0.3
    # Factors of a weight from epoch to epoch [code: adversarial; identity inferred], and its
    # smallest share of the initial weight [code: half]
    config.decay = ConfigDict()
    config.decay.adversarial = 0.995
    config.decay.identity = 0.995
    config.decay.least = 0.5

    config.optim = ConfigDict()
    config.optim.learning_rate = 1e-3  # [paper, code]
    config.optim.decay_rate = 0.9  # of RMSprop's mean of squares [code]
    config.optim.epsilon = 1e-8  # [code]
    config.optim.epoch_factor = 0.99  # of the learning rate, from epoch to epoch [paper, code]
    config.optim.least_rate = 1e-6  # smallest learning rate [code]
    config.optim.steps_per_epoch = 1  # for everything that changes by epochs
    config.optim.warm_up_steps = 50  # at 1/50 of the rate, then as many at 1/5 [code]
    config.optim.ema_rate = 0.0  # of the averaged parameters used for prediction; 0 = none


def _make_small(config: ConfigDict) -> None:
    """Sets sizes for 64 px faces and minutes on two CPU cores [ours]."""
    config.model.width = config.critic.width = 16
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 16


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    config = shared.shrink(get_config())
    config.model.width = config.critic.width = 4
    shared.shrink_teacher(config.face, teacher.tiny())
    return config
