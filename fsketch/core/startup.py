"""What a program must set before jax starts.  Imported by entry points only, before jax.

* The XLA:CPU flag that keeps convolutions off a slow fusion path (a 9-block residual
  generator runs about 4 times faster with it).  An unknown flag aborts the process, so it
  is set only for the jaxlib versions that are known to accept it.
* The persistent compilation cache, so that a second start compiles nothing.
* Python's garbage collector runs less often: imports and traces make many small objects that
  stay, and looking through them took a sixth of the start of `fsketch sketch`.

`FSKETCH_STARTUP=0` turns all three off; what the user already set is kept.
"""

import gc
import os
from importlib import metadata

from fsketch.core import paths

CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
CPU_FLAG_VALUE = "individual_dot,reduce"
# jaxlib 0.6.2 and 0.7.2 abort on it; 0.10.2 and 0.12.0.1 accept it; later ones are untested.
CPU_FLAG_SINCE, CPU_FLAG_UNTIL = (0, 10), (0, 12)

NEW_OBJECTS = 50_000  # more of them than are freed, and the collector runs; Python's own: 700


def prepare() -> None:
    """Sets XLA_FLAGS, the compilation cache and the garbage collector of this process."""
    if os.environ.get("FSKETCH_STARTUP", "1") == "0":
        return
    gc.set_threshold(NEW_OBJECTS)
    version = tuple(int(part) for part in metadata.version("jaxlib").split(".")[:2])
    flags = os.environ.get("XLA_FLAGS", "")
    if CPU_FLAG_SINCE <= version <= CPU_FLAG_UNTIL and CPU_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {CPU_FLAG}={CPU_FLAG_VALUE}".strip()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(paths.cache() / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
