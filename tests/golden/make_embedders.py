"""Reference numbers for the face embedders, by an implementation in torch (2.13).

    python tests/golden/make_embedders.py     # torch, onnx; writes embedders.npz, iresnet_tiny.onnx

Nets are written here once more, from the publications and with the published names of parameters;
weights and images are drawn from numpy seeds (embedder_draws.py), so no file of them is needed.
They run in float64.  The file of ONNX is torch's own export of a tiny IResNet.
"""

import pathlib

import numpy as np
import torch
from embedder_draws import gain, images, weight
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent
TINYNETS = {
    "a": [(16, 1), (24, 2), (40, 2), (80, 4), (112, 4), (192, 5), (320, 1)],
    "b": [(16, 1), (24, 2), (32, 2), (64, 3), (88, 3), (144, 4), (240, 1)],
    "c": [(8, 1), (16, 2), (24, 2), (40, 3), (64, 3), (104, 3), (176, 1)],
}


def conv(i, o, k, stride=1, padding=0, groups=1, bias=False):
    return nn.Conv2d(i, o, k, stride, padding, groups=groups, bias=bias)


def chain(parts, kind=nn.Sequential):
    """Modules by name, one after the other."""
    result = kind()
    for name, part in parts.items():
        result.add_module(name, part)
    return result


class Sum(nn.Sequential):
    """A chain beside the identity."""

    def forward(self, x):
        return x + super().forward(x)


# IResNet


class Unit(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(c) for c in (i, o, o))
        self.conv1, self.conv2 = conv(i, o, 3, 1, 1), conv(o, o, 3, stride, 1)
        self.prelu = nn.PReLU(o)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x)))))
        return self.bn3(y) + (self.downsample(x) if self.downsample else x)


def iresnet(depths, widths=(64, 128, 256, 512), size=112, features=512):
    before = widths[0]
    parts = {"conv1": conv(3, before, 3, 1, 1), "bn1": nn.BatchNorm2d(before)}
    parts["prelu"] = nn.PReLU(before)
    for n, (depth, width) in enumerate(zip(depths, widths, strict=True), 1):
        units = [Unit(before, width, 2)] + [Unit(width, width, 1) for _ in range(depth - 1)]
        parts[f"layer{n}"] = nn.Sequential(*units)
        before = width
    parts |= {"bn2": nn.BatchNorm2d(before), "flatten": nn.Flatten()}
    parts["fc"] = nn.Linear(before * (size // 16) ** 2, features)
    return chain(parts | {"features": nn.BatchNorm1d(features)})


# FaceNet


def basic(i, o, kernel, stride=1, padding=0):
    parts = {"conv": conv(i, o, kernel, stride, padding), "bn": nn.BatchNorm2d(o, eps=1e-3)}
    return chain(parts | {"relu": nn.ReLU()})


def same(i, *layers):
    """Convolutions (o, rows, columns) that keep the size, as a list."""
    result = []
    for o, *kernel in layers:
        result.append(basic(i, o, tuple(kernel), 1, tuple(k // 2 for k in kernel)))
        i = o
    return result


class Branches(nn.Module):
    """Lists of layers whose results are joined; a single layer goes without a number."""

    def __init__(self, *branches):
        super().__init__()
        self.number = len(branches)
        for n, layers in enumerate(branches):
            part = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
            self.add_module(f"branch{n}", part)

    def joined(self, x, *others):
        parts = [getattr(self, f"branch{n}")(x) for n in range(self.number)]
        return torch.cat([*parts, *others], 1)


class Residual(Branches):
    def __init__(self, width, scale, acts, *branches):
        super().__init__(*(same(width, *layers) for layers in branches))
        self.scale, self.acts = scale, acts
        self.conv2d = conv(sum(layers[-1][0] for layers in branches), width, 1, bias=True)

    def forward(self, x):
        x = x + self.scale * self.conv2d(self.joined(x))
        return F.relu(x) if self.acts else x


class Reduction(Branches):
    def __init__(self, i, *branches):
        super().__init__(
            *(
                [*same(i, *first), basic(first[-1][0] if first else i, last, 3, 2)]
                for *first, (last, _, _) in branches
            )
        )

    def forward(self, x):
        return self.joined(x, F.max_pool2d(x, 3, 2))


class Classifier(nn.Linear):
    """Is in the published files, and not applied: the embedding passes, brought to unit length."""

    def forward(self, x):
        return F.normalize(x)


def facenet():
    def repeat(number, width, scale, *branches):
        return nn.Sequential(*(Residual(width, scale, True, *branches) for _ in range(number)))

    a, b = (32, 1, 1), (32, 3, 3)
    c, d = (256, 1, 1), (256, 3, 3)
    row = [(128, 1, 1), (128, 1, 7), (128, 7, 1)]
    last = [(192, 1, 1)], [(192, 1, 1), (192, 1, 3), (192, 3, 1)]
    return chain({
        "conv2d_1a": basic(3, 32, 3, 2), "conv2d_2a": basic(32, 32, 3),
        "conv2d_2b": basic(32, 64, 3, 1, 1), "pool": nn.MaxPool2d(3, 2),
        "conv2d_3b": basic(64, 80, 1), "conv2d_4a": basic(80, 192, 3),
        "conv2d_4b": basic(192, 256, 3, 2),
        "repeat_1": repeat(5, 256, 0.17, [a], [a, b], [a, b, b]),
        "mixed_6a": Reduction(256, [(384, 3, 3)], [(192, 1, 1), (192, 3, 3), (256, 3, 3)]),
        "repeat_2": repeat(10, 896, 0.1, [(128, 1, 1)], row),
        "mixed_7a": Reduction(896, [c, (384, 3, 3)], [c, d], [c, d, d]),
        "repeat_3": repeat(5, 1792, 0.2, *last),
        "block8": Residual(1792, 1.0, False, *last),
        "mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(),
        "last_linear": nn.Linear(1792, 512, bias=False),
        "last_bn": nn.BatchNorm1d(512, eps=1e-3), "logits": Classifier(512, 10),
    })  # fmt: skip


# MobileFaceNet, in the two layouts of its publications: parts by name, or numbered in `layers`


def numbered(parts, numbers, kind=nn.Sequential):
    return chain({"layers": nn.Sequential(*parts.values())} if numbers else parts, kind)


def mobilefacenet(numbers, width):
    """The parts in order, the last five of which are the head."""
    w, inside = width, "layers" if numbers else "model"

    def block(i, o, k, stride=1, padding=0, groups=1, acts=True):
        parts = {"conv": conv(i, o, k, stride, padding, groups), "bn": nn.BatchNorm2d(o)}
        return numbered(parts | ({"prelu": nn.PReLU(o)} if acts else {}), numbers)

    def bottleneck(i, o, between, stride, kind):
        parts = {
            "conv": block(i, between, 1),
            "conv_dw": block(between, between, 3, stride, 1, between),
            "project": block(between, o, 1, acts=False),
        }
        return numbered(parts, numbers, kind)

    def stage(i, o, down, between, depth):
        rest = nn.Sequential(*(bottleneck(o, o, between, 1, Sum) for _ in range(depth)))
        return [bottleneck(i, o, down, 2, nn.Sequential), chain({inside: rest})]

    parts = [block(3, 64 * w, 3, 2, 1), block(64 * w, 64 * w, 3, 1, 1, 64)]
    parts += stage(64 * w, 64 * w, 128, 128, 4) + stage(64 * w, 128 * w, 256, 256, 6)
    parts += stage(128 * w, 128 * w, 512, 256, 2)
    parts += [block(128 * w, 512, 1), block(512, 512, 7, 1, 0, 512, acts=False), nn.Flatten()]
    return [*parts, nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512)]


def mbf():
    parts = mobilefacenet(True, 2)
    head = chain({"layers": nn.Sequential(*parts[9:])})
    return chain({"layers": nn.Sequential(*parts[:8]), "conv_sep": parts[8], "features": head})


def treb1en():
    names = "conv1 conv2_dw conv_23 conv_3 conv_34 conv_4 conv_45 conv_5 conv_6_sep conv_6_dw"
    names += " conv_6_flatten linear bn"
    return chain(dict(zip(names.split(), mobilefacenet(False, 1), strict=True)))


# TinyNet


class Squeeze(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.conv_reduce = conv(width, inner, 1, bias=True)
        self.conv_expand = conv(inner, width, 1, bias=True)

    def forward(self, x):
        y = self.conv_expand(F.silu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(y)


def mbconv(i, o, k, stride, expands):
    wide, n = (6 * i, 1) if expands else (i, 0)
    parts = {}
    if expands:
        parts = {"conv_pw": conv(i, wide, 1), "bn1": nn.BatchNorm2d(wide), "act": nn.SiLU()}
    parts["conv_dw"] = conv(wide, wide, k, stride, k // 2, wide)
    parts |= {f"bn{n + 1}": nn.BatchNorm2d(wide), "act_dw": nn.SiLU(), "se": Squeeze(wide, i // 4)}
    parts |= {"conv_pwl" if expands else "conv_pw": conv(wide, o, 1)}
    return chain(
        parts | {f"bn{n + 2}": nn.BatchNorm2d(o)}, Sum if i == o and stride == 1 else nn.Sequential
    )


def student(rows):
    stages, i = [], 32
    kernels, strides = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1)
    for n, ((o, depth), k, stride) in enumerate(zip(rows, kernels, strides, strict=True)):
        widths = [i] + [o] * depth
        steps = [stride] + [1] * (depth - 1)
        parts = (mbconv(widths[d], o, k, steps[d], n > 0) for d in range(depth))
        stages.append(nn.Sequential(*parts))
        i = o
    cnn = chain({
        "conv_stem": conv(3, 32, 3, 2, 1), "bn1": nn.BatchNorm2d(32), "act1": nn.SiLU(),
        "blocks": nn.Sequential(*stages), "conv_head": conv(i, 1280, 1),
        "bn2": nn.BatchNorm2d(1280), "act2": nn.SiLU(), "mean": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
    })  # fmt: skip
    return chain({"cnn": cnn, "fc": nn.Linear(1280, 512)})


NETS = {  # name in fsketch -> (net, size, factor of the input)
    "iresnet18": (lambda: iresnet((2, 2, 2, 2)), 112, 1.0),
    "iresnet50": (lambda: iresnet((3, 4, 14, 3)), 112, 1.0),
    "iresnet100": (lambda: iresnet((3, 13, 30, 3)), 112, 1.0),
    "facenet_vggface2": (facenet, 160, 127.5 / 128),
    "mobilefacenet": (treb1en, 112, 1.0),
    "mbf": (mbf, 112, 1.0),
    **{f"tinyfar_{v}": (lambda v=v: student(TINYNETS[v]), 112, 1.0) for v in TINYNETS},
}
COMPARED = ("iresnet18", "facenet_vggface2", "mobilefacenet", "mbf", "tinyfar_c")


def filled(net, gain):
    """The net with drawn weights, in float64, ready to be used."""
    drawn = {
        key: torch.from_numpy(np.asarray(weight(key, tuple(array.shape), gain=gain)))
        for key, array in net.state_dict().items()
    }
    net.load_state_dict(drawn)
    return net.double().eval()


def run(net, size, factor=1.0):
    """float64[2, D] of the drawn images."""
    x = torch.from_numpy(images(size)).permute(0, 3, 1, 2).double() * factor
    with torch.no_grad():
        return net(x).numpy()


def tiny_onnx():
    """torch's export of an IResNet of 1 unit a stage, 4 channels and 32 px, and its embeddings."""
    net = filled(iresnet((1, 1, 1, 1), (4, 4, 4, 4), 32, 8), 2.0)
    x = torch.from_numpy(images(32)).permute(0, 3, 1, 2)
    path = str(FOLDER / "iresnet_tiny.onnx")
    torch.onnx.export(net.float(), x, path, opset_version=11, dynamo=False)
    return run(net.double(), 32)


def main():
    result = {"iresnet_tiny": tiny_onnx()}
    for name, (build, size, factor) in NETS.items():
        net = build()
        lines = [f"{key} {tuple(array.shape)}" for key, array in net.state_dict().items()]
        result[f"{name}/shapes"] = np.frombuffer("\n".join(lines).encode(), np.uint8)
        result[f"{name}/parameters"] = sum(
            p.numel() for key, p in net.named_parameters() if not key.startswith("logits")
        )
        if name in COMPARED:
            result[name] = run(filled(net, gain(name)), size, factor).astype(np.float32)
            scale, apart = np.abs(result[name]).mean(), np.abs(np.diff(result[name], axis=0)).mean()
            print(f"{name}: {scale:.3g}, two images {apart / scale:.3g}")
    np.savez_compressed(FOLDER / "embedders.npz", **result)


if __name__ == "__main__":
    main()
