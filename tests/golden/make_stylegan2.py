"""Reference numbers for nets/stylegan2.py by torch (2.14), and a pickle such as NVIDIA's.

    python tests/golden/make_stylegan2.py     # writes stylegan2.npz and stylegan2_tiny.pkl

The generator is written here once more as functions of a state dict, from the paper and with the
published names: kernels are modulated one image at a time and convolved in groups, sizes double
by inserting zeros and filtering with the 4 x 4 kernel.  Weights and z are drawn from numpy seeds.
"""

import pathlib
import pickle
import sys
import types

import numpy as np
import torch
from embedder_draws import STYLEGAN2, latents, stylegan2_shapes, weight
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent
SIZE, _, _, WIDTH, DEPTH = STYLEGAN2


def linear(state, name, x, rate=1.0):
    kernel = state[f"{name}.weight"] * (rate / np.sqrt(x.shape[1]))
    return F.linear(x, kernel, state[f"{name}.bias"] * rate)


def act(x):
    return F.leaky_relu(x, 0.2) * np.sqrt(2)


def mapping(state, z):
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(DEPTH):
        x = act(linear(state, f"mapping.fc{i}", x, 0.01))
    return x


def filtered(x, padding, kernel):
    """Each channel convolved with the 4 x 4 kernel after zeros on the left/top and right/bottom."""
    x = F.pad(x, (padding[0], padding[1], padding[0], padding[1]))
    return F.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), groups=x.shape[1])


def doubled(image, kernel):
    B, C, H, W = image.shape
    spread = torch.zeros(B, C, 2 * H, 2 * W, dtype=image.dtype)
    spread[:, :, ::2, ::2] = image
    return filtered(spread, (2, 1), 4 * kernel)


def modulated(state, name, x, w, *, gain=1.0, demodulates=True, doubles=False):
    B, inputs, H, W = x.shape
    style = linear(state, f"{name}.affine", w) * gain
    kernel = state[f"{name}.weight"][None] * style[:, None, :, None, None]  # B x O x I x k x k
    if demodulates:
        kernel = kernel / (kernel.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    outputs, k = kernel.shape[1], kernel.shape[-1]
    x = x.reshape(1, B * inputs, H, W)
    if doubles:
        kernel = kernel.transpose(1, 2).reshape(B * inputs, outputs, k, k)
        x = F.conv_transpose2d(x, kernel, stride=2, groups=B)
        x = x.reshape(B, outputs, *x.shape[2:])
        return filtered(x, (1, 1), 4 * state[f"{name}.resample_filter"])
    x = F.conv2d(x, kernel.reshape(B * outputs, inputs, k, k), padding=k // 2, groups=B)
    return x.reshape(B, outputs, H, W)


def synthesis(state, ws, *, noise, clamp=256.0):
    """ws [B, layers, D] -> image [B, 3, S, S]."""
    x = image = None
    at = 0
    for side in (2**i for i in range(2, int(np.log2(SIZE)) + 1)):
        block = f"synthesis.b{side}"
        if x is None:
            x = state[f"{block}.const"].expand(ws.shape[0], -1, -1, -1)
        for name in ("conv1",) if side == 4 else ("conv0", "conv1"):
            layer = f"{block}.{name}"
            x = modulated(state, layer, x, ws[:, at], doubles=name == "conv0")
            if noise:
                x = x + state[f"{layer}.noise_const"] * state[f"{layer}.noise_strength"]
            x = act(x + state[f"{layer}.bias"][None, :, None, None]).clamp(-clamp, clamp)
            at += 1
        gain = 1 / np.sqrt(x.shape[1])
        rgb = modulated(state, f"{block}.torgb", x, ws[:, at], gain=gain, demodulates=False)
        rgb = (rgb + state[f"{block}.torgb.bias"][None, :, None, None]).clamp(-clamp, clamp)
        image = rgb if image is None else doubled(image, state[f"{block}.resample_filter"]) + rgb
    return image


def reference():
    """Latents, and images by three ways of asking for them."""
    state = {
        key: torch.from_numpy(np.asarray(weight(key, shape))).double()
        for key, shape in stylegan2_shapes(*STYLEGAN2).items()
    }
    w = mapping(state, torch.from_numpy(latents(2, WIDTH)).double())
    layers = 2 * int(np.log2(SIZE)) - 2
    same = w[:, None].repeat(1, layers, 1)
    drawn = torch.from_numpy(latents(layers, WIDTH)).double()[None]
    pulled = state["mapping.w_avg"] + 0.7 * (w - state["mapping.w_avg"])
    return {
        "w": w,
        "pulled": pulled,
        "const": synthesis(state, same, noise=True),
        "none": synthesis(state, same[:1], noise=False),
        "layers": synthesis(state, drawn, noise=True),
        "clamped": synthesis(state, same[:1], noise=True, clamp=0.5),
    }


def fake_net(state):
    """Modules of a class that pickles itself as NVIDIA's do, holding this state dict."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta):
        raise RuntimeError(meta)  # reading this file must call nothing

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    sys.modules["torch_utils"] = types.ModuleType("torch_utils")
    sys.modules["torch_utils"].persistence = module
    sys.modules["torch_utils.persistence"] = module

    class Persistent(torch.nn.Module):
        def __reduce__(self):
            meta = {"type": "class", "version": 6, "module_src": "raise SystemExit"}
            meta |= {"class_name": "Generator", "state": dict(self.__dict__)}
            return _reconstruct_persistent_obj, (meta,), None

    root = Persistent()
    for key, array in state.items():
        *path, leaf = key.split(".")
        node = root
        for part in path:
            if part not in node._modules:
                node.add_module(part, Persistent())
            node = node._modules[part]
        if leaf in ("w_avg", "noise_const", "resample_filter"):
            node.register_buffer(leaf, torch.from_numpy(np.asarray(array)))
        else:
            node.register_parameter(leaf, torch.nn.Parameter(torch.from_numpy(np.asarray(array))))
    return root


def main():
    found = {name: np.float32(array.numpy()) for name, array in reference().items()}
    for name, array in found.items():
        print(name, array.shape, f"{np.abs(array).mean():.3g}")
    np.savez_compressed(FOLDER / "stylegan2.npz", **found)
    small = stylegan2_shapes(8, 16, 2, 2, 1)
    net = fake_net({key: weight(key, shape) for key, shape in small.items()})
    kept = {"training_set_kwargs": {"when": np.arange(3)}, "G": None, "G_ema": net}
    (FOLDER / "stylegan2_tiny.pkl").write_bytes(pickle.dumps(kept, protocol=4))


if __name__ == "__main__":
    main()
