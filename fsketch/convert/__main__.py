"""python -m fsketch.convert NET FILE OUT: published weights -> our *.safetensors.

Checks that every key is used once or known to be of no use, every parameter filled, every shape
right and every number finite; the file's SHA-256 is kept in the result.
"""

import argparse
import hashlib
import pathlib
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from fsketch.convert import files, tables
from fsketch.nets import inception, squeezenet

# net -> (its table, the net, an input it can be initialised with)
NETS = {
    "inception_fid": (tables.inception_fid, inception.Inception, (1, 299, 299, 3)),
    "squeezenet_v1.0": (tables.squeezenet_v1_0, squeezenet.SqueezeNet, (1, 64, 64, 3)),
}
# net -> keys that may be in its file and are not needed
UNUSED = {"inception_fid": tables.inception_fid_unused}


def convert(net: str, path: str, out: str) -> str:
    """Converts the npz at `path`; returns its SHA-256."""
    table, module, shape = NETS[net]
    digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    abstract = jax.eval_shape(module().init, jax.random.key(0), jnp.zeros(shape))
    # A net with running statistics is kept as {"params", "batch_stats"}, one without as its params.
    tree = abstract if "batch_stats" in abstract else abstract["params"]
    flat = traverse_util.flatten_dict(tree, sep="/")
    shapes = {name: leaf.shape for name, leaf in flat.items()}
    unused = UNUSED[net]() if net in UNUSED else ()
    converted = tables.apply(table(), arrays, shapes, unused=unused)
    files.write(
        out,
        traverse_util.unflatten_dict(converted, sep="/"),
        net=net,
        source=pathlib.Path(path).name,
        sha256=digest,
    )
    return digest


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fsketch.convert", description=__doc__)
    parser.add_argument("net", choices=sorted(NETS))
    parser.add_argument("file", help="the published weights (*.npz)")
    parser.add_argument("out", help="where to write (*.safetensors)")
    args = parser.parse_args(arguments)
    try:
        digest = convert(args.net, args.file, args.out)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"{args.file}: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {args.net} from {args.file} (SHA-256 {digest})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
