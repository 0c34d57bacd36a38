"""IFRP: aligned real faces from unaligned stylised portraits.

Paper      Shiri et al., "Identity-preserving Face Recovery from Stylized Portraits", IJCV 2019
           (arXiv 1904.04241), and its released code.  110 K faces of CelebA at 128 px, batches of
           64, RMSprop 1e-3, falling by 1 % an epoch [paper]; weights, warm-up and margin [code];
           the weight of the identity term and 250 epochs [inferred].
Run        python -m fsketch.main --config=configs/ifrp.py --workdir=runs/ifrp
           data: embedded (default; procedural faces, painted over by a filter), celeba (the
           paper's size), fs2k, orl; for the last three --config.portraits.manual_dir=DIR holds the
           real faces, and the portraits are made first, and kept, beside the workdir.
           Tests are test_seen; then --mode=evaluate --split=test_unseen or test_sketches.
           losses: no word (all three), no_identity, no_adversarial, pixel_only.
           net: no word (two skips with residual blocks), skips (without the blocks), unet, plain
           (no skip), or released (the code's); no_stn leaves the transformers out.
           E.g. configs/ifrp.py:celeba,no_identity,no_stn.  Baseline: configs/pix2pix.py:fs2k.
           Identity: our recogniser, trained first, at weight 0.1, or (default weight of celeba,
           1e-3) --config.face.path=vgg_face.safetensors, whose maps are much larger, or
           facenet_vggface2.safetensors with "--config.face.taps=('conv2d_4a',)".
Cost       fs2k: ten style networks of 500 steps in two minutes and 3249 portraits in half a minute
           of an H200; then 370 to 770 portraits/s, shared with other trainings.  The
           jitted net takes 32 ms a face on two CPU cores, the fastest of 30 calls, others beside
           (paper: 8 ms of a GPU).  Parameters at full width: remover 11.66 M
           with 1.66 M of its transformers (released: 8.36 M with 0.89 M), critic 6.66 M.
           At half width, a quarter of the parameters, 1.3 s a step on one CPU core, an hour in all.
Expect     fs2k at half width, 2760 steps, our recogniser: seen styles SSIM 0.493, PSNR 16.3, FSIM
           0.732, unseen 0.391, 11.6, 0.692, blurred faces; others in the README's table, orl too.
           celeba: not run yet.  python -m fsketch.report.ifrp_tables makes the paper's tables
           again and prints its numbers beside.
"""

from ml_collections import ConfigDict

from fsketch.configs import base, style, teacher

RUNGS = {
    "pixel_only": ("identity", "adversarial"),
    "no_identity": ("identity",),
    "no_adversarial": ("adversarial",),
}
SKIPS = {"plain": "none", "unet": "unet", "skips": "top"}
TRANSFORMERS = ("no_stn",)
ARGUMENTS = (*base.PORTRAITS, *RUNGS, *SKIPS, "released", *TRANSFORMERS)


def get_config(argument: str = "embedded") -> ConfigDict:
    portraits, rung, net, transformers = base.words(
        argument, base.PORTRAITS, tuple(RUNGS), (*SKIPS, "released"), TRANSFORMERS
    )
    config = base.get_config()
    config.method = "ifrp"
    base.add_remover(config)
    base.add_teacher(config, "face")
    # [paper: of FaceNet, which has no layer of that name in its code; of VGG inferred]
    config.face.taps = ("relu3_2",)
    config.face.config = teacher.get_config("small")

    config.loss_weights = ConfigDict()  # a term of weight 0 is not computed
    config.loss_weights.pixel = 1.0  # [paper]
    config.loss_weights.adversarial = 0.01  # [code]
    # [inferred: the code's unused decay ends at 5e-4, as the adversarial one at half its start]
    config.loss_weights.identity = 1e-3
    for term in RUNGS[rung] if rung else ():
        config.loss_weights[term] = 0.0

    base.add_portraits(config, style.get_config())
    base.use_portraits(config, portraits)
    config.optim.steps_per_epoch = base.SCHEDULES[portraits or "embedded"][0] // config.batch_size
    config.best_metric = "to_photo/ssim"
    if portraits != "celeba" and config.loss_weights.identity:
        config.loss_weights.identity = 0.1  # [ours] our recogniser's maps are normalised
    if portraits in ("", "embedded"):
        _make_small(config)
    if net == "released":
        config.model.variant = "released"
        config.model.width //= 2
        if portraits in ("", "embedded"):
            config.data.canvas_px = config.data.crop_px = 128  # it halves six times
    elif net:
        config.model.skips = SKIPS[net]
        if net == "unet":
            config.model.join = "concat"  # as in a U-Net [inferred]
    config.model.has_transformers = not transformers
    config.lock()
    return config


def _make_small(config: ConfigDict) -> None:
    """64 px faces; sizes chosen for minutes on two CPU cores [ours]."""
    config.model.width = config.critic.width = 16
    config.eval_every_steps = config.save_every_steps = 250
    config.eval_batch_size = 16


def tiny() -> ConfigDict:
    """Seconds, for tests."""
    return base.tiny(get_config())
