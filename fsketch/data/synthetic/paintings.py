"""Style images: fourteen that are painted here from a seed, and any that a user has.

    pencil      short graphite strokes along a flow, on paper
    hatching    two inks crossing, denser where it is dark
    woodcut     carved black lines of changing width
    stippling   dots of pure colour, after the pointillists
    mosaic      small square stones in grout
    glass       large panes between leads
    facets      shaded planes, after the cubists
    candy       glossy drops with dark rims
    waves       banded crests and foam, blue on cream
    feathers    overlapping vanes with shafts and barbs
    marble      folded veins
    swirls      thick paint around whirls, blue and yellow
    scream      long flowing bands, red over blue
    shapes      discs, rings, rays and bars on a light ground

`paint` draws in units of the image's side, so a style looks alike at every size; it is a pure
function of (name, size_px, seed), computed in numpy, float64, and of no machine.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fsketch.core import errors, names
from fsketch.data import checks
from fsketch.data.synthetic import textures

Array = np.ndarray
Random = np.random.Generator


def paint(name: str, *, size_px: int, seed: int = 0) -> Array:
    """The painting of a name, uint8[size_px, size_px, 3]; ValueError for an unknown name."""
    if name not in PAINTERS:
        raise ValueError(f"style: expected {', '.join(PAINTERS)} or an image file, got {name!r}")
    random = np.random.default_rng((seed, *name.encode()))
    axis = (np.arange(size_px) + 0.5) / size_px
    x, y = np.meshgrid(axis, axis)
    colour = np.broadcast_to(PAINTERS[name](x, y, random), (size_px, size_px, 3))
    return np.rint(255 * np.clip(colour, 0, 1)).astype(np.uint8)


def load(style: str, *, size_px: int, seed: int = 0) -> Array:
    """A style image uint8[H, W, 3]: a painting by name, or a file, its longer side size_px.

    DataError says what is wrong with a file; ValueError for a word that is neither.
    """
    path = Path(style)
    if style in PAINTERS or not path.suffix:
        return paint(style, size_px=size_px, seed=seed)
    report = checks.Report(path.parent)
    if not path.is_file():
        report.problem(path.name, got="no such file", expected="an image")
        report.close()
    decoded = checks.decode(path, report)
    report.close()
    image = decoded.image.convert("RGB")
    scale = size_px / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def name_of(style: str) -> str:
    """What a style is called in splits and files: the painting's name or the file's stem.

    ValueError for a stem that is no plain file name.
    """
    stem = Path(style).stem
    names.check(stem, "style")
    return stem


def folder(path: str | Path) -> list[str]:
    """The images of a folder, sorted, as styles; DataError if there is none or another file."""
    report = checks.Report(Path(path))
    found = checks.files_by_stem(Path(path), report)
    if not found and not report.problems:
        report.problem(".", got="no image", expected="at least one artwork")
    if report.problems:
        raise errors.DataError(str(path), problems=report.problems)
    return [str(found[stem]) for stem in sorted(found)]


def _pencil(x: Array, y: Array, random: Random) -> Array:
    tone = textures.stretched(textures.noise(x, y, random, cells=4, octaves=2))
    angle = -0.9 + 1.6 * (textures.noise(x, y, random, cells=2.5) - 0.5)
    strokes = textures.stretched(
        textures.smear(textures.grain(x, y, random, cells=110), angle, length=0.11)
    )
    fine = textures.stretched(
        textures.smear(textures.grain(x, y, random, cells=150), angle + 0.6, length=0.06)
    )
    ink = textures.step(0.75 * strokes + 0.25 * fine + 0.75 * (tone - 0.5), 0.4, 0.95)
    paper = 0.95 - 0.05 * textures.noise(x, y, random, cells=90, octaves=2)
    return (
        paper[..., None]
        * textures.rgb("fffdf6")
        * (1 - 0.82 * ink[..., None] * (1 - textures.rgb("2a2a30")))
    )


def _hatching(x: Array, y: Array, random: Random) -> Array:
    tone = textures.stretched(textures.noise(x, y, random, cells=3, octaves=2))
    bend = 0.02 * textures.noise(x, y, random, cells=6)
    colour = np.broadcast_to(textures.rgb("f3e6c8"), (*x.shape, 3)).copy()
    for turn, code, threshold in ((0.55, "27313f", 0.0), (-0.7, "8c3b24", 0.45)):
        across = (x * np.cos(turn) + y * np.sin(turn) + bend) * 34
        line = np.abs(across % 1 - 0.5) * 2  # 0 on the line, 1 between
        width = 0.68 * np.clip((tone - threshold) / (1 - threshold), 0, 1) + 0.03 * (
            tone > threshold
        )
        ink = textures.step(line, width + 0.12, width - 0.12)[..., None]
        colour = colour * (1 - ink) + ink * textures.rgb(code)
    return colour


def _woodcut(x: Array, y: Array, random: Random) -> Array:
    height = textures.noise(x, y, random, cells=3, octaves=2)
    tone = textures.stretched(textures.noise(x, y, random, cells=2.5, octaves=2))
    line = np.abs((height * 26 + 0.5 * textures.noise(x, y, random, cells=40)) % 1 - 0.5) * 2
    white = textures.step(line, 0.75 - 0.75 * tone, 1.05 - 0.75 * tone)
    return white[..., None] * textures.rgb("f5efe0") + (1 - white[..., None]) * textures.rgb(
        "141210"
    )


def _stippling(x: Array, y: Array, random: Random) -> Array:
    value = textures.stretched(textures.noise(x, y, random, cells=2.5, octaves=2))
    palette = textures.rgb("1b3a8f", "2e8fb8", "57a55a", "e9c93c", "ee8a2d", "d9432f", "f4d9c0")
    colour = np.broadcast_to(textures.rgb("f1ead8"), (*x.shape, 3)).copy()
    for _ in range(3):  # layers of dots, the later over the earlier
        points = textures.scattered(random, 38)
        index, distance, _ = textures.cells(x, y, points, 38)
        at = np.clip((points * (len(value) - 1)).astype(int), 0, len(value) - 1)
        mood = value[at[:, 1], at[:, 0]] + 0.32 * (random.random(len(points)) - 0.5)
        dots = palette[np.clip((mood * len(palette)).astype(int), 0, len(palette) - 1)]
        radius = (0.3 + 0.2 * random.random(len(points)))[index] / 38
        ink = textures.step(distance, 1.12 * radius, 0.85 * radius)[..., None]
        colour = colour * (1 - ink) + ink * dots[index]
    return colour


def _mosaic(x: Array, y: Array, random: Random) -> Array:
    u, v = (30 * c for c in textures.bent(x, y, random, cells=3, reach=0.035))
    u = u + 0.5 * (np.floor(v) % 2)  # courses, as masons lay them
    iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
    inset = np.minimum(0.5 - np.abs(u - iu - 0.5), 0.5 - np.abs(v - iv - 0.5))
    value = textures.stretched(textures.noise(iu / 30, iv / 30, random, cells=3.5, octaves=2))
    own = random.random((128, 128, 3))[iv % 128, iu % 128]
    palette = textures.rgb("12324f", "1f6f8b", "3fa796", "f2c14e", "e4572e", "7a2e4d", "f7ead0")
    choice = np.clip(value + 0.25 * (own[..., 0] - 0.5), 0, 0.999) * len(palette)
    stone = palette[choice.astype(int)] * (0.82 + 0.3 * own[..., 1:2])
    stone = stone * (1 + 0.15 * (0.5 - (v - iv)))[..., None]
    face = textures.step(inset, 0.03, 0.14)[..., None]
    return stone * face + (1 - face) * textures.rgb("cfc6b4") * 0.8


def _glass(x: Array, y: Array, random: Random) -> Array:
    points = textures.scattered(random, 8)
    index, first, second = textures.cells(x, y, points, 8)
    palette = textures.rgb(
        "c1121f", "f48c06", "ffd166", "2a9d4b", "1d6fd1", "4b2ca0", "0b7a75", "e85d9e"
    )
    own = random.random((len(points), 2))
    pane = palette[(own[:, 0] * len(palette)).astype(int)][index]
    glow = (
        0.55
        + 0.65 * textures.step(first, 0.1, 0.0)
        + 0.25 * (textures.noise(x, y, random, cells=25) - 0.5)
    )
    lead = textures.step(second - first, 0.008, 0.016)[..., None]
    return pane * glow[..., None] * lead + (1 - lead) * textures.rgb("0d0d10")


def _facets(x: Array, y: Array, random: Random) -> Array:
    colour = np.broadcast_to(textures.rgb("8a7a63"), (*x.shape, 3)).copy()
    palette = textures.rgb(
        "3b3a36", "6f6451", "a08a63", "c9b78e", "5a6b6e", "8e9a97", "7b4f36", "e2d6b5"
    )
    for scale in (0.5, 0.34, 0.26, 0.2, 0.16):
        for _ in range(12):
            px, py, turn, pick, reach = random.random(5) * (1, 1, np.pi, 1, 1)
            u = (x - px) * np.cos(turn) + (y - py) * np.sin(turn)
            v = (y - py) * np.cos(turn) - (x - px) * np.sin(turn)
            skew = random.normal() * 0.6
            distance = np.maximum(np.abs(u + skew * v), np.abs(v) * (0.7 + reach)) / scale
            inside = textures.step(distance, 0.5, 0.485)[..., None]
            shade = 0.72 + 0.75 * np.clip(u / scale + 0.5, 0, 1)  # each plane has its own light
            plane = palette[int(pick * len(palette))] * shade[..., None]
            edge = (textures.step(np.abs(distance - 0.495), 0.012, 0.004) * 0.7)[..., None]
            colour = colour * (1 - inside) + inside * plane
            colour = colour * (1 - edge) + edge * textures.rgb("241d16")
    brush = textures.stretched(
        textures.smear(textures.grain(x, y, random, cells=90), 0.7 + 0 * x, length=0.05)
    )
    return colour * (0.9 + 0.2 * brush[..., None])


def _candy(x: Array, y: Array, random: Random) -> Array:
    points = textures.scattered(random, 11, jitter=0.95)
    u, v = textures.bent(x, y, random, cells=9, reach=0.02)
    index, first, second = textures.cells(u, v, points, 11)
    palette = textures.rgb(
        "ff4f79", "ffb400", "3ec1d3", "7bd389", "9b5de5", "ff7b54", "f9f871", "2d6cdf"
    )
    drop = palette[(random.random(len(points)) * len(palette)).astype(int)][index]
    edge = second - first
    ring = 0.5 + 0.5 * np.cos(first * 190)  # stripes, as in boiled sweets
    striped = (random.random(len(points)) < 0.45)[index]
    sweet = drop * (0.85 + 0.15 * ring * striped)[..., None] + 0.35 * (ring * striped)[..., None]
    body = textures.step(edge, 0.006, 0.05)[..., None]
    shine = np.exp(
        -(((x - points[index, 0] + 0.018) ** 2 + (y - points[index, 1] + 0.02) ** 2) / 2.2e-4)
    )
    rim = textures.step(edge, 0.004, 0.01)[..., None]
    colour = sweet * (0.6 + 0.4 * body) + 0.75 * shine[..., None]
    return colour * rim + (1 - rim) * textures.rgb("3a1830")


def _waves(x: Array, y: Array, random: Random) -> Array:
    colour = textures.ramp(y, textures.rgb("f1e4c3", "e9d3a4", "d8c9a8"))
    palette = textures.rgb("20456b", "2f6690", "7fa7bd", "16324f")
    for layer in range(9):
        level = 0.08 + 0.115 * layer
        phase, pitch = random.random() * 6.3, 2.2 + 1.2 * random.random()
        swell = 0.05 * np.sin(2 * np.pi * pitch * x + phase)
        crest = 0.025 * np.abs(np.sin(np.pi * pitch * 2.3 * x + phase)) ** 0.6
        depth = y - level - swell + crest
        water = textures.step(depth, -0.002, 0.002)[..., None]
        stripes = textures.step(np.abs((depth * 42) % 1 - 0.5), 0.2, 0.28)
        body = textures.ramp(stripes, np.stack([palette[layer % 4], palette[(layer + 2) % 4]]))
        colour = colour * (1 - water) + water * body
        claws = 0.012 + 0.016 * textures.noise(x, y, random, cells=45, octaves=2)
        foam = (textures.step(depth, 0, 0.003) * textures.step(depth, claws + 0.004, claws))[
            ..., None
        ]
        colour = colour * (1 - foam) + foam * textures.rgb("fbf6e6")
        rim = (textures.step(np.abs(depth), 0.004, 0.0015) * 0.9)[..., None]
        colour = colour * (1 - rim) + rim * textures.rgb("122338")
    return colour


def _feathers(x: Array, y: Array, random: Random) -> Array:
    colour = np.broadcast_to(textures.rgb("10221f"), (*x.shape, 3)).copy()
    palette = textures.rgb("0f5c5c", "1c8c7d", "c8742b", "e9b44c", "3c2a4d", "94c9a9", "8b2f3c")
    rows = 8
    for row in range(-1, rows + 1):
        for column in range(-1, rows):
            px = (column + 0.5 + 0.5 * (row % 2) + 0.15 * random.normal()) / (rows - 1)
            py = (row + 0.1 * random.normal()) / rows
            turn, one, two = 0.28 * random.normal(), *random.integers(0, len(palette), 2)
            u = (x - px) * np.cos(turn) + (y - py) * np.sin(turn)
            v = ((y - py) * np.cos(turn) - (x - px) * np.sin(turn)) * rows / 2.1  # 0 root, 1 tip
            half = 0.085 * np.sqrt(np.clip(np.sin(np.pi * np.clip(v, 0, 1) ** 0.8), 0, 1))
            vane = textures.step(np.abs(u) - half, 0.003, -0.002) * (v > 0) * (v < 1)
            barbs = 0.5 + 0.5 * np.sin(230 * (np.abs(u) * 1.1 - 0.24 * v + 0.01 * np.sign(u)))
            bands = textures.step(np.sin(15 * v + np.abs(u) * 30), -0.2, 0.3)
            body = palette[one] * (1 - bands[..., None]) + palette[two] * bands[..., None]
            body = body * (0.55 + 0.5 * barbs[..., None]) * (1.1 - 4 * np.abs(u)[..., None])
            shaft = (textures.step(np.abs(u), 0.0045, 0.002) * 0.85)[..., None]
            body = body * (1 - shaft) + shaft * textures.rgb("f2e3c0")
            colour = colour * (1 - vane[..., None]) + vane[..., None] * body
    return colour


def _marble(x: Array, y: Array, random: Random) -> Array:
    fold = textures.noise(x, y, random, cells=2.5, octaves=6)
    second = textures.noise(
        *textures.bent(x, y, random, cells=4, reach=0.3), random, cells=4, octaves=6
    )
    vein = np.abs(np.sin(np.pi * (5 * x + 3 * y + 5 * fold)))
    fine = np.abs(np.sin(np.pi * (7 * y - 5 * x + 8 * second)))
    ground = textures.ramp(
        textures.stretched(fold + 0.6 * second),
        textures.rgb("2f5d57", "6fa08f", "cfdcc9", "f4f1e6"),
    )
    dark = (0.9 * np.exp(-5 * vein))[..., None]
    pale = (0.9 * np.exp(-9 * fine))[..., None]
    colour = ground * (1 - dark) + dark * textures.rgb("12262b")
    return colour * (1 - pale) + pale * textures.rgb("f3ead2")


def _swirls(x: Array, y: Array, random: Random) -> Array:
    angle = textures.whirls(x, y, random, number=3)
    stroke = textures.stretched(
        textures.smear(textures.grain(x, y, random, cells=70), angle, length=0.16, steps=16)
    )
    value = textures.stretched(
        textures.smear(
            textures.noise(x, y, random, cells=7, octaves=2), angle, length=0.3, steps=16
        )
    )
    tone = np.clip(0.6 * value + 0.55 * stroke - 0.08, 0, 1)
    colour = textures.ramp(
        tone, textures.rgb("0b1a3f", "163c7a", "2f6fb0", "86b6cf", "f0e3a2", "f2b632")
    )
    return colour * (0.62 + 0.38 * textures.relief(0.007 * stroke))[..., None]


def _scream(x: Array, y: Array, random: Random) -> Array:
    bend = 0.13 * np.sin(4.2 * x + 1.3) + 0.16 * (
        textures.noise(x, y, random, cells=2.2, octaves=2) - 0.5
    )
    level = y + bend * (1.2 - 0.5 * y)
    angle = np.arctan2(-0.55 * np.cos(4.2 * x + 1.3), np.ones_like(x))
    stroke = textures.stretched(
        textures.smear(textures.grain(x, y, random, cells=80), angle, length=0.28, steps=20)
    )
    band = level * 9 + 0.7 * (stroke - 0.5)
    own = random.random(64)
    mood = np.clip(level + 0.28 * (own[np.floor(band).astype(int) % 64] - 0.5), 0, 1)
    palette = textures.rgb(
        "b3201b", "e2552a", "f39a3b", "f3cf73", "6d8f86", "27506b", "13263e", "3d2a24"
    )
    colour = textures.ramp(mood, palette)
    rim = (textures.step(np.abs(band % 1 - 0.5), 0.44, 0.5) * 0.5)[..., None]
    colour = colour * (1 - rim) + rim * textures.rgb("2a1712")
    return colour * (0.72 + 0.42 * stroke)[..., None]


def _shapes(x: Array, y: Array, random: Random) -> Array:
    ground = textures.ramp(
        textures.noise(x, y, random, cells=2.5, octaves=3),
        textures.rgb("f7efd9", "ecd9c0", "cfe0dc", "f3e3b5"),
    )
    colour = ground
    palette = textures.rgb(
        "c8102e", "0b3c8c", "f2b705", "1b1b1b", "1c7c54", "e67e22", "6a3d9a", "f5b8c4"
    )
    for kind in ["bar"] * 12 + ["disc"] * 16 + ["ring"] * 12 + ["wedge"] * 8 + ["line"] * 14:
        px, py, turn = *random.random(2), random.random() * np.pi
        size, tint = 0.02 + 0.1 * random.random() ** 1.5, palette[random.integers(len(palette))]
        u = (x - px) * np.cos(turn) + (y - py) * np.sin(turn)
        v = (y - py) * np.cos(turn) - (x - px) * np.sin(turn)
        radius = np.hypot(u, v)
        distance = {
            "bar": np.maximum(np.abs(u) - 2.2 * size, np.abs(v) - 0.25 * size),
            "disc": radius - size,
            "ring": np.abs(radius - 1.2 * size) - 0.12 * size,
            "wedge": np.maximum(np.abs(v) - 0.45 * (u + size), u - size),
            "line": np.maximum(np.abs(v + 2 * u * u) - 0.0035, np.abs(u) - 0.3),
        }[kind]
        inside = (textures.step(distance, 0.003, -0.002) * (0.8 if kind != "line" else 1.0))[
            ..., None
        ]
        if kind == "line":
            tint = textures.rgb("161616")[0]
        if kind == "disc":
            tint = tint * (1.15 - 0.35 * np.clip(radius / size, 0, 1))[..., None]
        colour = colour * (1 - inside) + inside * tint
    return colour


PAINTERS: dict[str, Callable[[Array, Array, Random], Array]] = {
    "pencil": _pencil,
    "hatching": _hatching,
    "woodcut": _woodcut,
    "stippling": _stippling,
    "mosaic": _mosaic,
    "glass": _glass,
    "facets": _facets,
    "candy": _candy,
    "waves": _waves,
    "feathers": _feathers,
    "marble": _marble,
    "swirls": _swirls,
    "scream": _scream,
    "shapes": _shapes,
}
NAMES = tuple(PAINTERS)
