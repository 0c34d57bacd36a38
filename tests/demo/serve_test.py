"""The page's folder: its files, its policy, its runtime."""

import io
import json
import re
import tarfile
import threading
import urllib.request

import pytest

from fsketch.demo import pages, serve, vendor

SCRIPTS = sorted(serve.SITE.glob("*.js"))


@pytest.fixture
def runtime(monkeypatch):
    """Small stand-ins for the runtime's files, pinned as the real ones are."""
    contents = {name: f"content of {name}".encode() for name in vendor.FILES}
    sums = {name: vendor.hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(vendor, "FILES", sums)
    return contents


def archive(path, contents):
    with tarfile.open(path, "w:gz") as files:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
    return str(path)


def test_runtime_comes_from_a_package_a_folder_and_the_cache(runtime, tmp_path, monkeypatch):
    given = archive(tmp_path / "package.tgz", runtime)
    assert vendor.runtime(given) == runtime
    (tmp_path / "package/dist").mkdir(parents=True)
    for name, content in runtime.items():
        (tmp_path / "package/dist" / name).write_bytes(content)
    assert vendor.runtime(str(tmp_path)) == vendor.runtime(str(tmp_path / "package")) == runtime

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\ncp {given} "$4"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/bin:/usr/bin")
    assert vendor.runtime("") == runtime
    npm.unlink()
    monkeypatch.setenv("PATH", str(npm.parent))
    assert vendor.runtime("") == runtime  # kept


def test_a_wrong_runtime_is_refused(runtime, tmp_path, monkeypatch):
    for contents, said in [
        ({}, "got no ort.wasm.bundle.min.mjs"),
        ({**runtime, "ort-wasm-simd-threaded.wasm": b"other"}, "got other bytes"),
    ]:
        with pytest.raises(ValueError, match=said):
            vendor.runtime(archive(tmp_path / "package.tgz", contents))
    (tmp_path / "package.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"expected an npm package \(.tgz\)"):
        vendor.runtime(str(tmp_path / "package.tgz"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"--runtime: expected the npm package .* no npm"):
        vendor.runtime("")
    (tmp_path / "npm").write_text("#!/bin/sh\necho no network >&2; exit 1\n")
    (tmp_path / "npm").chmod(0o755)
    with pytest.raises(ValueError, match="got: no network"):
        vendor.runtime("")
    assert not vendor.cache().exists()


def test_the_folder_is_complete_and_served_with_its_policy(runtime, tmp_path):
    told = {"name": "tiny", "direction": "to_sketch", "terms": "none"}
    graphs = {"fine": b"one", "broad": b"other"}
    nets = {name: name.encode() for name in ("pnet.onnx", "rnet.onnx", "onet.onnx")}
    pages.write(tmp_path / "page", [pages.Model(told, graphs)], finder=nets, runtime=runtime)
    manifest = json.loads((tmp_path / "page/manifest.json").read_text())
    (model,) = manifest["models"]
    assert {**model, "files": None} == {**told, "files": None}
    for style, name in model["files"].items():
        assert (tmp_path / "page/models" / name).read_bytes() == graphs[style]
    html = (tmp_path / "page/index.html").read_text()
    for name in [f"models/{name}" for name in manifest["finder"]] + [
        word for word in re.findall(r'(?:href|src)="([^"#]+)"', html) if word != "./"
    ]:
        assert (tmp_path / "page" / name).stat().st_size, name

    server = serve.server(tmp_path / "page")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for name, kind in [("", "text/html"), ("runtime/ort.wasm.bundle.min.mjs", "text/java")]:
            with urllib.request.urlopen(serve.address(server) + name) as answer:
                assert answer.headers["Content-Type"].startswith(kind)
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        with pytest.raises(ValueError, match="--port: expected a free port"):
            serve.server(tmp_path, port=server.server_port)
    finally:
        server.shutdown()
        server.server_close()


def test_nothing_of_the_site_names_another_host():
    for path in serve.SITE.iterdir():
        if path.suffix in (".js", ".css", ".html", ".svg"):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"//[\w-]+\.\w|https?:", text), path.name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_modules_are_there(path):
    for name in re.findall(r'from "\./([^"]+)"', path.read_text()):
        assert (serve.SITE / name).exists() or name.startswith("runtime/"), name
