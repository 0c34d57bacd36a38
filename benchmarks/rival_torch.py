"""The residual translator of fsketch/nets/resnet.py in PyTorch, timed; prints one line of JSON.

Written from that module's table of layers.  Needs torch alone, in an environment of its own; see
compare.py, which runs it.
"""

import json
import os

import sampling
import torch
from torch import nn


class Block(nn.Module):
    """conv-norm-ReLU-conv-norm, identity added, then ReLU."""

    def __init__(self, channels: int):
        super().__init__()
        parts = []
        for _ in range(2):
            parts += [
                nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
                nn.InstanceNorm2d(channels, affine=True),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*parts[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.body(x))


def translator(channels: int, features: int, *, width: int, blocks: int) -> nn.Module:
    """float[B, channels, H, W] in [-1, 1] -> float[B, features, H, W] in [-1, 1]."""
    w = width

    def norm_relu(channels: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(channels, affine=True), nn.ReLU()]

    def up(channels: int, features: int) -> nn.Module:
        return nn.ConvTranspose2d(
            channels, features, 3, stride=2, padding=1, output_padding=1, bias=False
        )

    return nn.Sequential(
        nn.Conv2d(channels, w, 7, padding=3, padding_mode="reflect", bias=False),
        *norm_relu(w),
        nn.Conv2d(w, 2 * w, 3, stride=2, padding=1, bias=False),
        *norm_relu(2 * w),
        nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1, bias=False),
        *norm_relu(4 * w),
        *[Block(4 * w) for _ in range(blocks)],
        up(4 * w, 2 * w),
        *norm_relu(2 * w),
        up(2 * w, w),
        *norm_relu(w),
        nn.Conv2d(w, features, 7, padding=3, padding_mode="reflect"),
        nn.Tanh(),
    )


def main() -> None:
    args = sampling.parser(__doc__)
    args.add_argument("--channels_last", action="store_true", help="memory format of images")
    args.add_argument("--compile", action="store_true", help="nets by torch.compile")
    args.add_argument("--bfloat16", action="store_true", help="compute in bfloat16 (autocast)")
    args = args.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    sizes = {"width": args.width, "blocks": args.blocks}
    nets = [translator(3, 1, **sizes), translator(1, 3, **sizes)]
    parameters = sum(x.numel() for net in nets for x in net.parameters())
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    nets = [net.to(device, memory_format=layout) for net in nets]
    shape = (args.batch, 3, args.size, args.size)
    photo = (torch.rand(shape) * 2 - 1).to(device, memory_format=layout)
    sketch = (torch.rand(shape)[:, :1] * 2 - 1).to(device, memory_format=layout)
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in nets]
    draw, render = map(torch.compile, nets) if args.compile else nets
    cast = torch.autocast(device.type, torch.bfloat16, enabled=args.bfloat16)

    def finished() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def train() -> None:
        for adam in adams:
            adam.zero_grad()
        with cast:
            loss = nn.functional.l1_loss(draw(photo), sketch)
            loss = loss + nn.functional.l1_loss(render(sketch), photo)
        (10 * loss).backward()
        for adam in adams:
            adam.step()
        finished()

    def predict() -> None:
        with torch.inference_mode(), cast:
            draw(photo)
        finished()

    work = {"train": train, "predict": predict}[args.work]
    print(json.dumps({"parameters": parameters, **sampling.measured(work, args.seconds)}))


if __name__ == "__main__":
    main()
