"""Maps, LPIPS and DISTS of torch on drawn weights -> perceptual.json.

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
VGG19_TAPS = {3: "relu1_2", 8: "relu2_2", 17: "relu3_4", 26: "relu4_4", 35: "relu5_4"}


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


@torch.no_grad()
def main():
    truth, output = (torch.from_numpy(x).permute(0, 3, 1, 2).double() for x in draws.images())
    numbers = {f"lpips_{net}": lpips_numbers(net, truth, output) for net in TAPS}
    numbers["dists"] = dists_numbers(truth, output)

    mean, std = (
        torch.tensor(c).view(3, 1, 1)
        for c in (piq.perceptual.IMAGENET_MEAN, piq.perceptual.IMAGENET_STD)
    )
    image = (truth / 255 - mean) / std
    maps, x = {}, image
    for position, layer in enumerate(fill(torchvision.models.vgg19()).features):
        x = layer(x).clone()  # the next ReLU is in place
        if position in VGG19_TAPS:
            maps[VGG19_TAPS[position]] = x
    numbers["vgg19"] = {"taps": draws.summary(channels_last(maps.items()))}

    path = pathlib.Path(__file__).with_name("perceptual.json")
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in numbers.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
