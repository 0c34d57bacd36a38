"""Translators by name, and the student built from one.

A translator's module takes `features` (output channels) and the fields of config.model except
`net` and `styles`; called with an image, in a net of several styles also the shares of the styles
float[B, S], and with train= and keys=, it returns the translated image and a dict of maps.
To add one, write its module and name it in NETS with the maps that transfer terms compare, and name
its sizes in configs/students.py STUDENTS.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from fsketch.core import types
from fsketch.nets import layers, resnet, separable

FIELDS = ("width", "num_blocks", "norm", "up", "skips", "noise", "detail", "dtype")


class Net(NamedTuple):
    """build: the module from `features` and fields of config.model.

    taps: name of a map in losses/transfer.py (in, d1, d2: of the encoder at H, H/2, H/4; u2, u1,
    bottle: of the decoder at the same) -> its name in this net.  At one resolution both have
    equally many channels, since the students compare them.

    fields: those of config.model that the module takes.
    """

    build: Callable[..., nn.Module]
    taps: dict[str, str]
    fields: tuple[str, ...] = FIELDS


SAME = {tap: tap for tap in resnet.TAPS}
NETS = {
    "residual": Net(resnet.Translator, SAME),
    "separable": Net(functools.partial(resnet.Translator, block=separable.SeparableBlock), SAME),
}


def translator(model: ConfigDict, *, features: int, **options: Any) -> nn.Module:
    """The module that config.model describes; options: fields that no config sets.

    Raises AttributeError for a field that the net takes and `model` lacks.
    """
    net = _net(model.net)
    fields = {name: getattr(model, name) for name in net.fields}
    return net.build(features=features, **fields, **options)


def student(
    model: ConfigDict, *, features: int, shapes: dict[str, tuple[int, int, int]]
) -> "Student":
    """The student that config.model describes, for a teacher's maps of these shapes."""
    return Student(translator(model, features=features), _net(model.net).taps, shapes)


def _net(name: str) -> Net:
    if name not in NETS:
        raise ValueError(f"model.net: expected one of {', '.join(NETS)}, got {name!r}")
    return NETS[name]


class Student(nn.Module):
    """A translator whose taps can be compared with a teacher's of another shape.

    `taps` are those of its `Net`.  `shapes` gives, for a tap, the teacher's (height, width,
    channels).  Where they differ from the translator's, the map is resized, then a 1x1
    convolution changes the channels; it trains with the student and is not needed afterwards.
    (In this order: both are linear and commute, and the student's maps have fewer channels.)
    """

    translator: nn.Module
    taps: dict[str, str]
    shapes: dict[str, tuple[int, int, int]]

    @nn.compact
    def __call__(
        self,
        image: jax.Array,
        *style: jax.Array,
        train: bool = False,
        keys: types.Key | None = None,
    ) -> tuple[jax.Array, types.Taps, types.Taps]:
        """image (and style) -> (translated image, taps, taps of the teacher's shapes)."""
        translated, maps = self.translator(image, *style, train=train, keys=keys)
        taps = {tap: maps[name] for tap, name in self.taps.items()}
        matched = dict(taps)
        for tap, (height, width, channels) in sorted(self.shapes.items()):
            x = matched[tap]
            if x.shape[1:3] != (height, width):
                size = (x.shape[0], height, width, x.shape[3])
                x = jax.image.resize(x, size, "linear", antialias=True)
            if x.shape[3] != channels:
                adapt = layers.Conv(
                    channels,
                    kernel_size=1,
                    kernel_init=nn.initializers.lecun_normal(),
                    name=f"adapt_{tap}",
                )
                x = adapt(x)
            matched[tap] = x
        return translated, taps, matched
