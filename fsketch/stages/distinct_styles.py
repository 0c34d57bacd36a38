"""Which styles IFRP trains on: those farthest from real faces, as its paper selects three.

Far: by the log-Euclidean distance of Gram matrices (metrics/style_distance.py) between a style
image and the training faces [paper], NUM_FACES of them [inferred], in the maps of the teacher that
the style networks learn from.
"""

from collections.abc import Sequence

from etils import epath
from ml_collections import ConfigDict

from fsketch import styles as ranking
from fsketch.core import progress
from fsketch.data import faces, warp
from fsketch.frozen import registry
from fsketch.metrics import style_distance
from fsketch.stages import default_nets

NUM_FACES = 64


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
    grams = ranking.grams(teacher, styles, photos, size_px=settings.size_px)
    far = style_distance.most_distinct(*grams, k=settings.num_distinct)
    progress.say(f"training styles, the farthest from {len(photos)} faces: {', '.join(far)}")
    return far
