"""Reference numbers for nets/inception.py, by torch and torchvision (2.13, 0.28).

    python tests/golden/make_inception.py     # writes tests/golden/inception.npz

Weights and images are drawn from numpy seeds, so the test draws them again and needs no file of
them.  torchvision's blocks stay as they are; the pooling functions they call are replaced by FID's.
"""

import pathlib
import types

import numpy as np


def images(height, width):
    """Two coloured images uint8[2, H, W, 3] with waves, an edge and noise."""
    rng = np.random.default_rng(height)
    y, x, c = np.mgrid[:height, :width, :3]
    waves = [
        100 * np.sin(y / (7 + 9 * i) + c) + 60 * np.cos(x / (5 + c)) + 60 * (x > y)
        for i in range(2)
    ]
    return np.clip(np.stack(waves) + rng.normal(110, 20, (2, height, width, 3)), 0, 255).astype(
        np.uint8
    )


def main():
    """Writes the features, the mean of every layer's map, resized pixels and the file's keys."""
    import torch
    import torch.nn.functional as F
    from embedder_draws import weight
    from torchvision.models import inception

    def pool(x, kernel_size, stride, padding):
        """In place of torchvision's average; only the last block sees 2048 channels."""
        if x.shape[1] == 2048:
            return F.max_pool2d(x, kernel_size, stride, padding)
        return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=False)

    inception.F = types.SimpleNamespace(avg_pool2d=pool, max_pool2d=F.max_pool2d, relu=F.relu)
    net = inception.Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    net = net.double().eval()  # so that only our rounding is measured
    state = net.state_dict()
    drawn = {k: torch.from_numpy(weight(k, tuple(v.shape))) for k, v in state.items() if v.ndim}
    net.load_state_dict(drawn | {k: v for k, v in state.items() if not v.ndim})

    means, pooled = {}, {}
    for name, layer in net.named_children():
        if name.startswith(("Conv2d", "Mixed")):
            layer.register_forward_hook(
                lambda _, __, y, name=name: means.update({name: y.mean((1, 2, 3)).numpy()})
            )
    net.avgpool.register_forward_hook(lambda _, __, y: pooled.update(y=y[:, :, 0, 0].numpy()))

    resized = {}
    with torch.no_grad():
        for height, width in ((250, 200), (475, 340)):
            x = torch.from_numpy(images(height, width)).permute(0, 3, 1, 2).float() / 255
            x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
            resized[f"resized_{height}"] = x.permute(0, 2, 3, 1).numpy()[:, ::23, ::23]
            if height == 250:
                net(2 * x.double() - 1)
    np.savez_compressed(
        pathlib.Path(__file__).with_name("inception.npz"),
        features=pooled["y"][:, ::16],
        names=np.array(list(means)),
        means=np.stack(list(means.values())),
        keys=np.array(list(state)),
        shapes=np.array([str(tuple(v.shape)) for v in state.values()]),
        num_params=sum(p.numel() for n, p in net.named_parameters() if not n.startswith("fc.")),
        **resized,
    )


if __name__ == "__main__":
    main()
