"""Which styles IFRP trains on: those farthest from real faces, as its paper selects three.

Far: by the log-Euclidean distance of Gram matrices (metrics/style_distance.py) between a style
image and the training faces [paper], NUM_FACES of them [inferred], in the maps of the teacher that
the style networks learn from.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from ml_collections import ConfigDict

from fsketch.core import images, progress, state
from fsketch.data import faces, warp
from fsketch.data.synthetic import paintings
from fsketch.frozen import registry
from fsketch.metrics import style_distance
from fsketch.stages import default_nets

NUM_FACES = 64
BATCH_SIZE = 8


def farthest(
    settings: ConfigDict,
    found: faces.Faces,
    styles: Sequence[str],
    network: ConfigDict,
    parent: epath.Path,
) -> list[str]:
    """The `settings.num_distinct` most distinct of the styles, the farthest first.

    settings: `config.portraits`.  network: the configuration of a style network; its teacher is
    trained beside the folders in `parent` if it has no path.
    """
    network = default_nets.trained(network, parent / "style")
    teacher = registry.load("maps", network.teacher.path, taps=tuple(network.teacher.taps))
    places = [i for i, row in enumerate(found.rows) if row.split == "train"][:NUM_FACES]
    geometry = {"share": settings.crop, "size_px": settings.size_px}
    photos = [warp.square(found.photo(i), **geometry) for i in places]
    measured = grams(teacher, styles, photos, size_px=settings.size_px)
    far = style_distance.most_distinct(*measured, k=settings.num_distinct)
    progress.say(f"training styles, the farthest from {len(photos)} faces: {', '.join(far)}")
    return far


def grams(
    teacher: state.Frozen, styles: Sequence[str], photos: Sequence[np.ndarray], *, size_px: int
) -> tuple[dict[str, style_distance.Grams], style_distance.Grams]:
    """(mean Gram matrices by style, those of all photos), each by tap.

    teacher: of kind "maps" (frozen/teachers.py).  photos: uint8[H, W, 3] of any size; their centred
    squares are resized to size_px, the side of the style images.
    """
    seen = [warp.square(photo, share=1.0, size_px=size_px) for photo in photos]
    painted = {
        style: grams_of(teacher, [paintings.load(style, size_px=size_px)]) for style in styles
    }
    return painted, grams_of(teacher, seen)


def grams_of(teacher: state.Frozen, batch: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The mean Gram matrix of images uint8[H, W, 3] of one size, by tap of the teacher."""
    features = jax.jit(lambda net, images: net(images))
    seen: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(batch), BATCH_SIZE):
        part = jnp.asarray(np.stack(batch[start : start + BATCH_SIZE]))
        for tap, maps in features(teacher, images.from_uint8(part)).items():
            seen.setdefault(tap, []).append(np.asarray(maps))
    return {tap: style_distance.mean_gram(batches) for tap, batches in seen.items()}
