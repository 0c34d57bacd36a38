"""A folder of images and the report on them, which take the place of earlier ones together.

FOLDER/outputs, evaluation.json    what readers read, always of one evaluation
FOLDER/.outputs-new                images that are being made; the earlier ones stay
FOLDER/.evaluation-new.json        written whole when all images are there: from here on the new
                                   ones count, and `mend` ends an exchange that a kill cut short
FOLDER/.outputs-old                earlier images that are about to go
"""

from etils import epath

from fsketch.core import writers

_IMAGES, _REPORT = "outputs", "evaluation.json"
_NEW_IMAGES, _NEW_REPORT, _OLD_IMAGES = ".outputs-new", ".evaluation-new.json", ".outputs-old"


def begin(folder: epath.Path) -> epath.Path:
    """The empty folder for new images, which `end` puts in place; mends what a kill left."""
    mend(folder)
    new = folder / _NEW_IMAGES
    new.mkdir(parents=True)
    return new


def end(folder: epath.Path, report: bytes) -> None:
    """Puts the images of `begin` and the report in place of the earlier ones."""
    writers.write_whole(folder / _NEW_REPORT, report)
    mend(folder)


def mend(folder: epath.Path) -> None:
    """Ends an exchange whose report was written; removes what is left of any other."""
    images, new, old = (folder / name for name in (_IMAGES, _NEW_IMAGES, _OLD_IMAGES))
    if (folder / _NEW_REPORT).exists():
        if new.exists():
            if images.exists():
                images.rename(old)
            if any(new.iterdir()):  # none of a method that makes no images
                new.rename(images)
        (folder / _NEW_REPORT).replace(folder / _REPORT)
    for left_over in (new, old):
        if left_over.exists():
            left_over.rmtree()
