"""Textures that paintings are made of, float64 arrays over x and y in units of the side."""

import numpy as np

Array = np.ndarray
Random = np.random.Generator


def rgb(*codes: str) -> Array:
    """float64[N, 3] in [0, 1] from "rrggbb"."""
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes]) / 255


def ramp(value: Array, colours: Array) -> Array:
    """Colours along a scale 0 ... 1, linear between them: [H, W] -> [H, W, 3]."""
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(value, at, colours[:, c]) for c in range(3)], -1)


def step(value: Array, low: float, high: float) -> Array:
    """Smooth ramp: 0 below `low`, 1 above `high`, the other way round if low > high."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(x: Array, y: Array, random: Random, *, cells: float, octaves: int = 1) -> Array:
    """Value noise in [0, 1], mean about 0.5, `cells` lattice cells to the unit."""
    total, weight = 0.0, 0.0
    for octave in range(octaves):
        scale = cells * 2**octave
        lattice = random.random((64, 64))
        u, v = x * scale, y * scale
        iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
        fu, fv = u - iu, v - iv
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        a, b = lattice[iv % 64, iu % 64], lattice[iv % 64, (iu + 1) % 64]
        c, d = lattice[(iv + 1) % 64, iu % 64], lattice[(iv + 1) % 64, (iu + 1) % 64]
        upper, lower = a * (1 - fu) + b * fu, c * (1 - fu) + d * fu
        total = total + 0.5**octave * (upper * (1 - fv) + lower * fv)
        weight += 0.5**octave
    return total / weight


def bent(x: Array, y: Array, random: Random, *, cells: float, reach: float) -> tuple[Array, Array]:
    """The coordinates, moved by up to reach / 2 each."""
    u = x + reach * (noise(x, y, random, cells=cells) - 0.5)
    return u, y + reach * (noise(x, y, random, cells=cells) - 0.5)


def scattered(random: Random, per_side: int, *, jitter: float = 0.8) -> Array:
    """Points [N, 2] of a jittered grid that covers the unit square and a rim around it."""
    grid = np.stack(np.meshgrid(*[np.arange(-1, per_side + 1)] * 2), -1).reshape(-1, 2)
    return (grid + 0.5 + jitter * (random.random(grid.shape) - 0.5)) / per_side


def cells(x: Array, y: Array, points: Array, per_side: int) -> tuple[Array, Array, Array]:
    """For each pixel (index of the nearest point, distance to it, to the next one).

    The points are those of `_scattered`; the 3 x 3 around a pixel are looked at.
    """
    row = per_side + 2
    ix, iy = (np.clip(np.floor(c * per_side), 0, per_side - 1).astype(int) for c in (x, y))
    index = np.zeros(x.shape, int)
    first, second = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            candidate = (iy + 1 + dy) * row + ix + 1 + dx
            distance = np.hypot(x - points[candidate, 0], y - points[candidate, 1])
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            index = np.where(nearer, candidate, index)
            first = np.where(nearer, distance, first)
    return index, first, second


def smear(grain: Array, angle: Array, *, length: float, steps: int = 12) -> Array:
    """Line integral convolution: the grain [H, W] averaged along the direction field [H, W].

    length: of the averaged line, in sides of the image; borders repeat.
    """
    side = grain.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(float)
    total = grain.copy()
    for sign in (1.0, -1.0):
        u, v = columns.copy(), rows.copy()
        for _ in range(steps):
            iu, iv = (np.clip(np.rint(c), 0, side - 1).astype(int) for c in (u, v))
            stride = sign * 0.5 * length * side / steps
            u, v = u + stride * np.cos(angle[iv, iu]), v + stride * np.sin(angle[iv, iu])
            iu, iv = (np.clip(np.rint(c), 0, side - 1).astype(int) for c in (u, v))
            total += grain[iv, iu]
    return total / (2 * steps + 1)


def grain(x: Array, y: Array, random: Random, *, cells: float) -> Array:
    """Noise for `_smear` whose grains have one size relative to the image: 1 / cells."""
    return noise(x, y, random, cells=cells)


def stretched(value: Array) -> Array:
    """To [0, 1] between the 2nd and the 98th percentile."""
    low, high = np.quantile(value, (0.02, 0.98))
    return np.clip((value - low) / max(high - low, 1e-9), 0, 1)


def whirls(x: Array, y: Array, random: Random, *, number: int) -> Array:
    """Direction of a flow around some centres, radians [H, W]."""
    u, v = np.full(x.shape, 0.5), 0.4 * np.sin(6 * x + 2 * y)
    for px, py in scattered(random, number):
        strength, radius = random.choice((-1, 1)) * (0.7 + random.random()), 0.6 / number
        dx, dy = x - px, y - py
        weight = strength * np.exp(-(dx * dx + dy * dy) / (2 * radius**2)) / radius
        u, v = u - weight * dy, v + weight * dx
    return np.arctan2(v, u)


def relief(height: Array) -> Array:
    """Light on a surface from the upper left, about 1; the height in sides of the image."""
    dy, dx = np.gradient(height * height.shape[0])
    return 1 - (dx + dy) / np.sqrt(1 + dx * dx + dy * dy)
