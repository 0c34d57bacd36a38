"""Maps, LPIPS, DISTS and teachers of torch on drawn weights -> perceptual.json.

python tests/golden/make_perceptual.py, in an environment with torch, torchvision, lpips and piq.
Everything is computed in float64; nothing is downloaded.
"""

import json
import pathlib
import re

import lpips
import perceptual_draws as draws
import piq.perceptual
import torch
import torchvision

TAPS = {
    "alex": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    "vgg": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "squeeze": ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
}
CAFFE_MEAN_BGR = (104.0, 117.0, 123.0)  # of SqueezeNet 1.0
FACE_MEAN_RGB = (129.186279296875, 104.76238250732422, 93.59396362304688)


def fill(module, rename=lambda key: key):
    """Draws all parameters by their published keys."""
    with torch.no_grad():
        for name, parameter in module.double().named_parameters():
            key = rename(name)
            parameter.copy_(torch.from_numpy(draws.weights({key: parameter.shape})[key]))
    return module.eval()


def channels_last(maps):
    return {name: x.permute(0, 2, 3, 1).numpy() if x.ndim == 4 else x.numpy() for name, x in maps}


def lpips_numbers(net, truth, output):
    metric = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    fill(metric, lambda name: re.sub(r"^net\.slice\d+", "features", name))
    x, y = truth / 127.5 - 1, output / 127.5 - 1
    maps = dict(zip(TAPS[net], metric.net(metric.scaling_layer(x)), strict=True))
    if net == "squeeze":
        maps["logits"] = fill(torchvision.models.squeezenet1_1())(metric.scaling_layer(x))
    return {
        "taps": draws.summary(channels_last(maps.items())),
        "score": metric(x, y).flatten().tolist(),
    }


def dists_numbers(truth, output):
    weights = draws.weights({"alpha": (1, 1475, 1, 1), "beta": (1, 1475, 1, 1)})
    weights = {name: torch.from_numpy(array).double() for name, array in weights.items()}
    total = sum(array.sum() for array in weights.values())
    piq.perceptual.vgg16 = lambda **_: fill(torchvision.models.vgg16())
    torch.hub.load_state_dict_from_url = lambda *_, **__: {n: w / total for n, w in weights.items()}
    metric = piq.DISTS(reduction="none")
    features = metric.get_features(truth / 255)
    return {
        "taps": draws.summary(channels_last(zip(("image", *TAPS["vgg"]), features, strict=True))),
        "score": metric(truth / 255, output / 255).tolist(),
    }


def maps_of(features, image, names):
    """The results of a sequence by name, None for those that have none."""
    maps, x = {}, image
    for layer, name in zip(features, names, strict=True):
        x = layer(x).clone()  # the next ReLU is in place
        if name:
            maps[name] = x
    return draws.summary(channels_last(maps.items()))


def vgg_names(depths, relu, conv=None):
    """A name for each layer of torchvision's VGG: of ReLUs and, if wanted, of convolutions."""
    names = []
    for stage, depth in enumerate(depths, 1):
        for layer in range(1, depth + 1):
            names += [conv and f"{conv}{stage}_{layer}", relu and f"{relu}{stage}_{layer}"]
        names.append(None)
    return names


def teacher_numbers(image):
    """All maps of teachers, each behind the preprocessing of its weights; image in 0..255."""

    def channels(values):
        return torch.tensor(values, dtype=torch.float64).view(3, 1, 1)

    mean, std = piq.perceptual.IMAGENET_MEAN, piq.perceptual.IMAGENET_STD
    imagenet = (image / 255 - channels(mean)) / channels(std)
    vgg16, vgg19 = (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)

    positions = vgg_names(vgg16, None, "conv")

    def of_the_port(key):  # features.0.weight -> conv1_1.weight
        position, kind = re.fullmatch(r"(\d+)\.(\w+)", key).groups()
        return f"{positions[int(position)]}.{kind}"

    def of_the_npz(key):  # features.3.squeeze.weight -> fire2/conv1x1_1/w
        _, position, *parts, kind = key.split(".")
        if key.startswith("classifier"):
            layer = "conv_final"
        elif not parts:
            layer = "conv1"
        else:
            inner = {"squeeze": "conv1x1_1", "expand1x1": "conv1x1_2", "expand3x3": "conv3x3_2"}
            layer = f"fire{fires[int(position)][-1]}/{inner[parts[0]]}"
        return f"{layer}/{kind[0]}"

    fires = [
        None,
        "conv1",
        None,
        "fire2",
        "fire3",
        "fire4",
        None,
    ]  # version 1.0
    fires += ["fire5", "fire6", "fire7", "fire8", None, "fire9"]
    later = [None, "conv1", None, "fire2", "fire3", None, "fire4", "fire5", None]
    later += ["fire6", "fire7", "fire8", "fire9"]
    models = torchvision.models
    bgr = image.flip(1) - channels(CAFFE_MEAN_BGR)
    face = image - channels(FACE_MEAN_RGB)
    return {
        "vgg19": maps_of(fill(models.vgg19()).features, imagenet, vgg_names(vgg19, "relu")),
        "vgg16": maps_of(fill(models.vgg16()).features, imagenet, vgg_names(vgg16, "relu")),
        "vgg_face": maps_of(
            fill(models.vgg16().features, of_the_port), face, vgg_names(vgg16, "relu")
        ),
        "squeezenet_v1.0": maps_of(fill(models.squeezenet1_0(), of_the_npz).features, bgr, fires),
        "squeezenet_v1.1": maps_of(fill(models.squeezenet1_1()).features, imagenet, later),
    }


@torch.no_grad()
def main():
    truth, output = (torch.from_numpy(x).permute(0, 3, 1, 2).double() for x in draws.images())
    numbers = {f"lpips_{net}": lpips_numbers(net, truth, output) for net in TAPS}
    numbers["dists"] = dists_numbers(truth, output)

    numbers |= {name: {"taps": taps} for name, taps in teacher_numbers(truth).items()}

    path = pathlib.Path(__file__).with_name("perceptual.json")
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in numbers.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
