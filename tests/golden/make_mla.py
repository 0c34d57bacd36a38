"""Reference numbers for nets/mla.py, nets/image_critic.py and nets/bicubic.py, by torch (2.14).

    python tests/golden/make_mla.py     # writes tests/golden/mla.npz

The networks are written down here again, from their tables, on torch's functions and in float64.
Parameters are drawn from numpy seeds by their names, so the test draws them again.
"""

import pathlib
import zlib

import numpy as np

try:
    import torch
    from torch.nn import functional as F
except ImportError:
    pass  # the tests take only what is drawn

SIZE = (20, 17)  # of the net's input: odd numbers, and pooled maps of 2 x 1
CRITIC_WIDTH = 8


def draw(name, shape):
    """Kernels (k x k x in x out, or in x out) that keep magnitudes near 1; all else off 0 and 1."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:
        scale = 1 / np.sqrt(np.prod(shape[:-1]))
        return rng.normal(0, scale, shape).astype(np.float32)
    if name.endswith("scale"):
        return rng.uniform(0.6, 1.2, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)


def image(*shape):
    """Values in [-1, 1]."""
    return np.random.default_rng(shape[1]).uniform(-1, 1, shape).astype(np.float32)


class Parameters:
    """Draws tensors by name, in torch's layouts, and counts their numbers."""

    def __init__(self):
        self.count = 0

    def __call__(self, name, *shape):
        self.count += int(np.prod(shape))
        array = torch.from_numpy(np.asarray(draw(name, shape))).double()
        return array.permute(3, 2, 0, 1) if array.ndim == 4 else array

    def conv(self, x, name, features, size, *, padding=None, groups=1, bias=True, **options):
        kernel = self(f"{name}/kernel", size, size, x.shape[1] // groups, features)
        offset = self(f"{name}/bias", features) if bias else None
        padding = size // 2 if padding is None else padding
        return F.conv2d(x, kernel, offset, padding=padding, groups=groups, **options)

    def normalised(self, x, name, features, size):
        v = self(f"{name}/direction", size, size, x.shape[1], features)
        g = self(f"{name}/scale", features).reshape(-1, 1, 1, 1)
        kernel = torch._weight_norm(v.contiguous(), g, 0)
        return F.conv2d(x, kernel, self(f"{name}/bias", features), padding=size // 2)


def mab(p, x, name, relu_gate):
    """Attention on x."""
    width = x.shape[1]
    t = F.leaky_relu(p.conv(x, f"{name}/first", width, 3), 0.05)
    t = p.conv(t, f"{name}/second", width, 3)
    rc = p.conv(t, f"{name}/reduce", width // 4, 1)
    rs = p.conv(rc, f"{name}/halve", width // 4, 3, stride=2)
    pool = F.max_pool2d(rs, 7, stride=3)
    q = F.leaky_relu(p.conv(pool, f"{name}/dilated", width // 4, 3, dilation=2, padding=2), 0.05)
    q = q + F.leaky_relu(p.conv(pool, f"{name}/dense", width // 4, 3), 0.05)
    up = F.interpolate(q, size=rc.shape[2:], mode="nearest") + rc
    gate = p.conv(up, f"{name}/increase", width, 1)
    gate = torch.sigmoid(gate.relu() if relu_gate else gate)
    point = p.conv(t, f"{name}/pointwise", width, 1)
    return (
        gate * t * torch.sigmoid(p.conv(point, f"{name}/depthwise/Conv_0", width, 5, groups=width))
    )


def fam(p, x, name, relu_gate):
    """Four blocks, aggregated."""

    def block(y, i):
        return mab(p, y, f"{name}/mab{i}", relu_gate)

    def reduced(one, other, i):
        both = F.channel_shuffle(torch.cat([one, other], 1), 2)
        return p.normalised(both, f"{name}/reduction{i}", x.shape[1], 1)

    m0 = block(x, 0)
    m1 = block(m0, 1) + m0
    m2 = block(m1, 2) + m1
    r = reduced(reduced(reduced(m0, m1, 1), m2, 2), block(m2, 3), 3)
    return r * p(f"{name}/scale_joined/scale") + x * p(f"{name}/scale_input/scale")


def mlanet(p, x, *, width, num_blocks, head_px, relu_gate):
    """x: B x 3 x h x w in [0, 1]."""
    y = p.normalised(x, "head", width, head_px)
    for i in range(num_blocks):
        y = fam(p, y, f"fam{i}", relu_gate)
    out = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
    for size in (3, 5):
        tail = p.normalised(y, f"tail{size}", 12, size) * p(f"scale_tail{size}/scale")
        out = out + F.pixel_shuffle(tail, 2)
    return out


def critic(p, x, *, width, widths, kernel_px, hidden):
    """x: B x 3 x S x S in [0, 1]; batch statistics."""
    layer = 0
    for features in widths:
        for size, stride in ((3, 1), (kernel_px, 2)):
            x = p.conv(
                x, f"Conv_{layer}", features * width, size, stride=stride, padding=1, bias=not layer
            )
            if layer:
                scale, bias = (p(f"Norm_{layer}/{n}", x.shape[1]) for n in ("scale", "bias"))
                x = F.batch_norm(x, None, None, scale, bias, training=True)
            x = F.leaky_relu(x, 0.2)
            layer += 1
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = F.leaky_relu(x @ p("Dense_0/kernel", x.shape[1], hidden) + p("Dense_0/bias", hidden), 0.2)
    return x @ p("Dense_1/kernel", hidden, 1) + p("Dense_1/bias", 1)


VARIANTS = {
    "released": {"width": 64, "num_blocks": 8, "head_px": 3, "relu_gate": True},
    "other": {"width": 16, "num_blocks": 2, "head_px": 5, "relu_gate": False},
}
CRITICS = {
    "released": {"widths": (1, 2, 4, 8, 8), "kernel_px": 4, "hidden": 100},
    "paper": {"widths": (1, 2, 4, 8), "kernel_px": 3, "hidden": 1024},
}
SIZES = {"double": (26, 18), "enlarge": (31, 20), "shrink": (6, 5)}  # from 13 x 9


def main():
    """Writes outputs, a gradient of their sum of squares, verdicts, resized images and counts."""
    found = {}
    for name, variant in VARIANTS.items():
        p = Parameters()
        x = torch.from_numpy(image(1, *SIZE, 3)).permute(0, 3, 1, 2).double().requires_grad_()
        out = 2 * mlanet(p, (x + 1) / 2, **variant) - 1
        out.square().sum().backward()
        print(f"MLANet {name}: standard deviation {out.std():.3f}, {p.count} parameters")
        found[f"mla_{name}"] = out.detach().permute(0, 2, 3, 1).numpy().astype(np.float32)
        if name == "other":
            found["mla_other_gradient"] = x.grad.permute(0, 2, 3, 1).numpy().astype(np.float32)
        found[f"mla_{name}_count"] = p.count
    for name, variant in CRITICS.items():
        for width in (64, CRITIC_WIDTH):
            p = Parameters()
            x = torch.from_numpy(image(3, 128, 128, 3)).permute(0, 3, 1, 2).double()
            with torch.no_grad():
                verdict = critic(p, (x + 1) / 2, width=width, **variant)
            found[f"critic_{name}_{width}_count"] = p.count
        print(f"critic {name}: {verdict.ravel().tolist()}, {p.count} parameters")
        found[f"critic_{name}"] = verdict.numpy()
    x = torch.from_numpy(image(2, 13, 9, 2)).permute(0, 3, 1, 2).double()
    for name, size in SIZES.items():
        y = F.interpolate(x, size=size, mode="bicubic", align_corners=False)
        found[f"bicubic_{name}"] = y.permute(0, 2, 3, 1).numpy()
    np.savez_compressed(pathlib.Path(__file__).with_name("mla.npz"), **found)


if __name__ == "__main__":
    main()
