"""SFace, a recogniser of real faces, teaches on a GAN's faces; dynamic, static and no_resampling.

Run        fsketch train --config=configs/experiments/synthdistill_sface.py --workdir=runs/sface
           --config.generator.path=dcgan.safetensors --config.embedder.path=sface.safetensors
           (docs/weights.md); then `fsketch verify --folder=ORL --draw=orl.csv --align --embedder
           runs/sface/dynamic_0 sface.safetensors pixels hog pca`
Cost       0.46 s of one CPU core a step of 2 x 16 faces, three quarters of it the teacher's,
           beside compilation; 600 steps for a stage.
Expect     dynamic_0, checkpoint of step 200: cosine to the teacher 0.458 on generated faces; on
           ORL's real faces accuracy 0.723, AUC 0.800 (teacher 0.997, pixels 0.858, HOG 0.897, PCA
           0.860): worse than pixels, since it has hardly begun.  The other stages, and the rest of
           this one: not run yet.
"""

from ml_collections import ConfigDict

from fsketch.configs import experiments
from fsketch.configs.experiments import synthdistill_sampling

ROWS = ("dynamic", "static", "no_resampling")
CHANGES = {
    "batch_size": 16,
    "num_steps": 600,
    "optim.decay_from": 0.5,
    "optim.halve_at": (),
    "eval_every_steps": 200,
    "save_every_steps": 100,
}


def get_config() -> ConfigDict:
    return experiments.experiment(synthdistill_sampling.rows("dcgan", ROWS, CHANGES))
