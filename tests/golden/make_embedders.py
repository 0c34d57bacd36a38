"""Reference numbers for the face embedders, by an implementation in torch (2.14).

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


class IResNet(nn.Module):
    def __init__(self, depths, widths=(64, 128, 256, 512), size=112, features=512):
        super().__init__()
        self.conv1, self.bn1 = conv(3, widths[0], 3, 1, 1), nn.BatchNorm2d(widths[0])
        self.prelu = nn.PReLU(widths[0])
        before = widths[0]
        for n, (depth, width) in enumerate(zip(depths, widths, strict=True), 1):
            units = [Unit(before, width, 2)] + [Unit(width, width, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{n}", nn.Sequential(*units))
            before = width
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (size // 16) ** 2, features)
        self.features = nn.BatchNorm1d(features)

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        for n in range(1, 5):
            x = getattr(self, f"layer{n}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))


# FaceNet


class Basic(nn.Module):
    def __init__(self, i, o, kernel, stride=1, padding=0):
        super().__init__()
        self.conv, self.bn = conv(i, o, kernel, stride, padding), nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def same(i, *layers):
    """Convolutions (o, rows, columns) that keep the size."""
    result = []
    for o, *kernel in layers:
        result.append(Basic(i, o, tuple(kernel), 1, tuple(k // 2 for k in kernel)))
        i = o
    return result[0] if len(result) == 1 else nn.Sequential(*result)


class Residual(nn.Module):
    def __init__(self, width, scale, acts, *branches):
        super().__init__()
        self.scale, self.acts, self.number = scale, acts, len(branches)
        for n, layers in enumerate(branches):
            self.add_module(f"branch{n}", same(width, *layers))
        self.conv2d = conv(sum(layers[-1][0] for layers in branches), width, 1, bias=True)

    def forward(self, x):
        parts = [getattr(self, f"branch{n}")(x) for n in range(self.number)]
        x = x + self.scale * self.conv2d(torch.cat(parts, 1))
        return F.relu(x) if self.acts else x


class Reduction(nn.Module):
    def __init__(self, i, *branches):
        super().__init__()
        self.number = len(branches)
        for n, layers in enumerate(branches):
            *first, (last, _, _) = layers
            end = Basic(first[-1][0] if first else i, last, 3, 2)
            parts = same(i, *first) if first else None
            if isinstance(parts, nn.Sequential):
                end = nn.Sequential(*parts, end)
            elif parts is not None:
                end = nn.Sequential(parts, end)
            self.add_module(f"branch{n}", end)

    def forward(self, x):
        parts = [getattr(self, f"branch{n}")(x) for n in range(self.number)]
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)], 1)


class FaceNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv2d_1a, self.conv2d_2a = Basic(3, 32, 3, 2), Basic(32, 32, 3)
        self.conv2d_2b, self.conv2d_3b = Basic(32, 64, 3, 1, 1), Basic(64, 80, 1)
        self.conv2d_4a, self.conv2d_4b = Basic(80, 192, 3), Basic(192, 256, 3, 2)
        a, b = (32, 1, 1), (32, 3, 3)
        blocks = [Residual(256, 0.17, True, [a], [a, b], [a, b, b]) for _ in range(5)]
        self.repeat_1 = nn.Sequential(*blocks)
        self.mixed_6a = Reduction(256, [(384, 3, 3)], [(192, 1, 1), (192, 3, 3), (256, 3, 3)])
        a = (128, 1, 1)
        row = [a, (128, 1, 7), (128, 7, 1)]
        self.repeat_2 = nn.Sequential(*(Residual(896, 0.1, True, [a], row) for _ in range(10)))
        a = (256, 1, 1)
        b = (256, 3, 3)
        self.mixed_7a = Reduction(896, [a, (384, 3, 3)], [a, b], [a, b, b])
        a = (192, 1, 1)
        row = [a, (192, 1, 3), (192, 3, 1)]
        self.repeat_3 = nn.Sequential(*(Residual(1792, 0.2, True, [a], row) for _ in range(5)))
        self.block8 = Residual(1792, 1.0, False, [a], row)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=1e-3)
        self.logits = nn.Linear(512, 10)

    def forward(self, x):
        x = F.max_pool2d(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))), 3, 2)
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_3(self.mixed_7a(self.repeat_2(self.mixed_6a(x))))
        return F.normalize(self.last_bn(self.last_linear(self.block8(x).mean((2, 3)))))


# MobileFaceNet, in the two layouts of its publications


class Named(nn.Module):
    """conv, bn, prelu under these names, or 0, 1, 2 of a Sequential `layers`."""

    def __init__(self, numbers, i, o, k, stride=1, padding=0, groups=1, acts=True):
        super().__init__()
        parts = [conv(i, o, k, stride, padding, groups), nn.BatchNorm2d(o)]
        parts += [nn.PReLU(o)] if acts else []
        if numbers:
            self.layers = nn.Sequential(*parts)
        else:
            for name, part in zip(("conv", "bn", "prelu"), parts, strict=False):
                self.add_module(name, part)

    def forward(self, x):
        for part in self.layers if hasattr(self, "layers") else self.children():
            x = part(x)
        return x


class Bottleneck(nn.Module):
    def __init__(self, numbers, i, o, between, stride, adds):
        super().__init__()
        self.adds = adds
        parts = [
            Named(numbers, i, between, 1),
            Named(numbers, between, between, 3, stride, 1, between),
            Named(numbers, between, o, 1, acts=False),
        ]
        if numbers:
            self.layers = nn.Sequential(*parts)
        else:
            for name, part in zip(("conv", "conv_dw", "project"), parts, strict=True):
                self.add_module(name, part)

    def forward(self, x):
        y = x
        for part in self.layers if hasattr(self, "layers") else self.children():
            y = part(y)
        return x + y if self.adds else y


class Group(nn.Module):
    """Bottlenecks under a name."""

    def __init__(self, name, parts):
        super().__init__()
        self.name = name
        self.add_module(name, nn.Sequential(*parts))

    def forward(self, x):
        return getattr(self, self.name)(x)


def mobilefacenet(numbers, width):
    """An nn.Sequential without the head, with or without numbered layers, and that head."""
    w, inside = width, "layers" if numbers else "model"

    def stage(i, o, down, between, depth):
        rest = [Bottleneck(numbers, o, o, between, 1, True) for _ in range(depth)]
        return [Bottleneck(numbers, i, o, down, 2, False), Group(inside, rest)]

    body = [Named(numbers, 3, 64 * w, 3, 2, 1), Named(numbers, 64 * w, 64 * w, 3, 1, 1, 64)]
    body += stage(64 * w, 64 * w, 128, 128, 4) + stage(64 * w, 128 * w, 256, 256, 6)
    body += stage(128 * w, 128 * w, 512, 256, 2)
    conv6, gdc = Named(numbers, 128 * w, 512, 1), Named(numbers, 512, 512, 7, 1, 0, 512, acts=False)
    return body, [conv6, gdc, nn.Flatten(), nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512)]


class Mbf(nn.Module):
    def __init__(self):
        super().__init__()
        body, (self.conv_sep, *head) = mobilefacenet(True, 2)
        self.layers = nn.ModuleList(body)
        self.features = nn.Module()
        self.features.layers = nn.Sequential(*head)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.features.layers(self.conv_sep(x))


class TreB1eN(nn.Module):
    def __init__(self):
        super().__init__()
        body, head = mobilefacenet(False, 1)
        names = ["conv1", "conv2_dw", "conv_23", "conv_3", "conv_34", "conv_4", "conv_45", "conv_5"]
        names += ["conv_6_sep", "conv_6_dw", "conv_6_flatten", "linear", "bn"]
        for name, part in zip(names, body + head, strict=True):
            self.add_module(name, part)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


# TinyNet


class Squeeze(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.conv_reduce = conv(width, inner, 1, bias=True)
        self.conv_expand = conv(inner, width, 1, bias=True)

    def forward(self, x):
        y = self.conv_expand(F.silu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(y)


class MBConv(nn.Module):
    def __init__(self, i, o, k, stride, expands):
        super().__init__()
        wide = 6 * i if expands else i
        self.expands, self.adds = expands, i == o and stride == 1
        if expands:
            self.conv_pw, self.bn1 = conv(i, wide, 1), nn.BatchNorm2d(wide)
        self.conv_dw = conv(wide, wide, k, stride, k // 2, wide)
        self.add_module("bn2" if expands else "bn1", nn.BatchNorm2d(wide))
        self.se = Squeeze(wide, i // 4)
        self.add_module("conv_pwl" if expands else "conv_pw", conv(wide, o, 1))
        self.add_module("bn3" if expands else "bn2", nn.BatchNorm2d(o))

    def forward(self, x):
        y = x
        if self.expands:
            y = F.silu(self.bn1(self.conv_pw(y)))
            y = self.bn3(self.conv_pwl(self.se(F.silu(self.bn2(self.conv_dw(y))))))
        else:
            y = self.bn2(self.conv_pw(self.se(F.silu(self.bn1(self.conv_dw(y))))))
        return x + y if self.adds else y


class TinyNet(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2, 1), nn.BatchNorm2d(32)
        stages, i = [], 32
        for n, ((o, depth), k, stride) in enumerate(
            zip(rows, (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), strict=True)
        ):
            parts = []
            for d in range(depth):
                parts.append(MBConv(i, o, k, stride if d == 0 else 1, n > 0))
                i = o
            stages.append(nn.Sequential(*parts))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = conv(i, 1280, 1), nn.BatchNorm2d(1280)

    def forward(self, x):
        x = self.blocks(F.silu(self.bn1(self.conv_stem(x))))
        return F.silu(self.bn2(self.conv_head(x))).mean((2, 3))


class Student(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.cnn, self.fc = TinyNet(rows), nn.Linear(1280, 512)

    def forward(self, x):
        return self.fc(self.cnn(x))


NETS = {  # name in fsketch -> (net, size, factor of the input)
    "iresnet18": (lambda: IResNet((2, 2, 2, 2)), 112, 1.0),
    "iresnet50": (lambda: IResNet((3, 4, 14, 3)), 112, 1.0),
    "iresnet100": (lambda: IResNet((3, 13, 30, 3)), 112, 1.0),
    "facenet_vggface2": (FaceNet, 160, 127.5 / 128),
    "mobilefacenet": (TreB1eN, 112, 1.0),
    "mbf": (Mbf, 112, 1.0),
    **{f"tinyfar_{v}": (lambda v=v: Student(TINYNETS[v]), 112, 1.0) for v in TINYNETS},
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


def embeddings(name):
    """float64[2, D] of a key of NETS."""
    build, size, factor = NETS[name]
    with torch.no_grad():
        x = torch.from_numpy(images(size)).permute(0, 3, 1, 2).double() * factor
        return filled(build(), gain(name))(x).numpy()


def tiny_onnx():
    """torch's export of an IResNet of 1 unit a stage, 4 channels and 32 px, and its embeddings."""
    net = filled(IResNet((1, 1, 1, 1), (4, 4, 4, 4), 32, 8), 2.0)
    x = torch.from_numpy(images(32)).permute(0, 3, 1, 2)
    torch.onnx.export(
        net.float(), x, str(FOLDER / "iresnet_tiny.onnx"), opset_version=11, dynamo=False
    )
    with torch.no_grad():
        return net.double()(x.double()).numpy()


def main():
    result = {"iresnet_tiny": tiny_onnx()}
    for name, (build, _, _) in NETS.items():
        net = build()
        lines = [f"{key} {tuple(array.shape)}" for key, array in net.state_dict().items()]
        result[f"{name}/shapes"] = np.frombuffer("\n".join(lines).encode(), np.uint8)
        result[f"{name}/parameters"] = sum(
            p.numel() for key, p in net.named_parameters() if not key.startswith("logits")
        )
        if name in COMPARED:
            found = embeddings(name)
            result[name] = found.astype(np.float32)
            scale = np.abs(found).mean()
            print(
                f"{name}: {scale:.3g}, two images {np.abs(found[0] - found[1]).mean() / scale:.3g}"
            )
    np.savez_compressed(FOLDER / "embedders.npz", **result)


if __name__ == "__main__":
    main()
