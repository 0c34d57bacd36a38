"""A whole visit of the page in headless Chromium.

Needs Chromium (Debian's package), playwright (the extra `page`), and ONNX Runtime Web: the npm
package or its folder, named by the variable FSKETCH_RUNTIME.
"""

import base64
import functools
import http.server
import io
import json
import threading

import numpy as np
import pytest
from demo.javascript import HELPERS, called, sent
from PIL import Image
from skimage import data

from fsketch import translator
from fsketch.demo import serve
from fsketch.faces import align, detector


@pytest.fixture
def visit(browser, site, served):
    """(page, its address, requests): a visit whose requests beyond the address are refused."""
    address, asked = served(site), []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.route("**", lambda route: refused_or_let(route, address))
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    yield page, address, asked
    page.close()


def refused_or_let(route, address):
    if route.request.url.startswith((address, "blob:", "data:")):
        route.continue_()
    else:
        route.abort()


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return {"name": "given.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def opened(page, image):
    """Gives the page a picture; the state in which it ends."""
    page.set_input_files("#file", image)
    page.wait_for_selector("body[data-state=working]")
    page.wait_for_selector("body[data-state=result], body[data-state=message]")
    return page.evaluate("document.body.dataset.state")


def shown(page, part):
    """uint8[H, W, 3] of the before (0) or after (1) of the result."""
    width, text = page.evaluate(
        """(part) => {
            const canvas = document.querySelectorAll("#result canvas")[part];
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let text = "";
            for (const value of data) text += String.fromCharCode(value);
            return [canvas.width, btoa(text)];
        }""",
        part,
    )
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, width, 4)[..., :3]


def assert_close(made, expected, *, mean, most):
    """At most so many of 255 levels, on average and in any pixel."""
    differences = abs(made.astype(int) - expected)
    found = differences.mean(), differences.max()
    assert found[0] <= mean and found[1] <= most, found


def test_a_photo_becomes_the_library_s_sketch_and_no_request_leaves(visit, workdir):
    """The eyes differ by a few hundredths of a pixel, all else follows from them."""
    page, address, asked = visit
    photo = data.astronaut()
    assert opened(page, png(photo)) == "result"
    (face,) = detector.load().find(photo)
    frame = align.aligned(photo, face.eyes)
    sketch = translator.load_translator(workdir, "to_sketch")(frame)
    sketch = align.on_paper(sketch, face.eyes, photo.shape[:2])
    assert sketch.shape == (250, 200, 1)
    assert_close(shown(page, 0), frame, mean=0.3, most=10)
    assert_close(shown(page, 1), np.broadcast_to(sketch, frame.shape), mean=1, most=20)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "given-sketch.png"
    with Image.open(download.value.path()) as saved:
        np.testing.assert_array_equal(np.asarray(saved.convert("RGB")), shown(page, 1))

    page.check("input[value=scene]", force=True)
    page.wait_for_selector("#result canvas + canvas[width='512']")
    scene = align.scene(photo, [(sketch, face.eyes)])
    assert_close(shown(page, 1), scene, mean=0.15, most=20)
    assert all(url.startswith((address, f"blob:{address}")) for url in asked), asked


@pytest.mark.parametrize("direction", ["to_sketch", "to_photo"])
def test_one_frame_is_drawn_as_by_the_library(finder, site, workdir, direction):
    manifest = json.loads((site / "manifest.json").read_text())
    (told,) = [model for model in manifest["models"] if model["direction"] == direction]
    frame = np.ascontiguousarray(data.astronaut()[:250, 120:320])
    made = called(
        finder,
        """const nets = await import("/nets.js");
        const {translated} = await import("/translator.js");
        const net = await nets.net(given.told.files[""]);
        return told(await translated(net, got(given.frame), given.told));""",
        told=told,
        frame=sent(frame),
    )
    expected = translator.load_translator(workdir, direction)(frame)
    assert_close(made, expected, mean=0.001, most=1)


def collage():
    """Two faces beside each other, one of them rolled by 40 degrees."""
    photo = Image.fromarray(data.astronaut())
    sheet = Image.new("RGB", (1100, 640), (128, 128, 128))
    sheet.paste(photo)
    rolled = photo.rotate(40, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    sheet.paste(rolled, (560, 60))
    return np.asarray(sheet)


PICTURES = {
    "collage": collage,
    "upside down": lambda: data.astronaut()[::-1, ::-1],
    "tiny": lambda: np.asarray(Image.fromarray(data.astronaut()).resize((150, 150))),
    "cut": lambda: data.astronaut()[:, :232],
    "none": data.coffee,
}


@pytest.fixture(scope="module")
def finder(browser, site):
    """A page that has the face finder's nets."""
    server = serve.server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"{serve.address(server)}icon.svg")
    page.evaluate(
        """async () => {
            const nets = await import("/nets.js");
            await nets.start(1, () => {});
            globalThis.finder = {};
            const names = ["pnet", "rnet", "onet"];
            for (const name of names) finder[name] = await nets.net(`${name}.onnx`);
        }"""
    )
    yield page
    page.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", PICTURES)
def test_faces_are_those_of_the_library(finder, name):
    photo = np.ascontiguousarray(PICTURES[name]())
    found = finder.evaluate(
        f"""async (image) => {{ {HELPERS}
            const {{find}} = await import("/detector.js");
            return await find(globalThis.finder, got(image)); }}""",
        sent(photo),
    )
    expected = detector.load().find(photo)
    assert len(found) == len(expected)
    for face, other in zip(found, expected, strict=True):
        assert face["notes"] == list(other.notes)
        np.testing.assert_allclose(face["points"], other.points, atol=0.1)
        np.testing.assert_allclose(face["box"], other.box, atol=0.2)
        np.testing.assert_allclose(face["score"], other.score, atol=1e-3)


def test_each_of_several_faces_can_be_left_out(visit):
    page, _, _ = visit
    assert opened(page, png(collage())) == "result"
    assert shown(page, 0).shape == shown(page, 1).shape == (250, 412, 3)
    page.locator("#strip button").nth(2).click()
    page.wait_for_selector("#result canvas + canvas[width='200']")
    pressed = page.locator("#strip button").evaluate_all("all => all.map((b) => b.ariaPressed)")
    assert pressed == ["false", "false", "true"]


def test_what_cannot_be_drawn_is_said_plainly(visit):
    page, _, _ = visit
    page.set_input_files("#file", {**png(collage()), "buffer": b"no picture"})
    page.wait_for_selector("body[data-state=message]")
    assert page.inner_text("#message-title") == "This file cannot be opened"
    assert not page.is_visible("#anyway")
    assert opened(page, png(np.full((90, 300, 3), 200, np.uint8))) == "message"
    assert page.inner_text("#message-title") == "No face found in this picture"
    assert page.evaluate("document.activeElement.id") == "message-title"
    page.click("#anyway")
    page.wait_for_selector("body[data-state=result]")
    assert shown(page, 1).shape == (250, 200, 3)


def test_the_slider_follows_keys_and_says_where_it_is(visit):
    page, _, _ = visit
    assert opened(page, png(data.astronaut())) == "result"
    page.keyboard.press("Tab")
    page.wait_for_timeout(1000)  # the line moves to the middle by itself
    before = page.get_attribute("#result input", "aria-valuetext")
    page.keyboard.press("ArrowRight")
    after = page.get_attribute("#result input", "aria-valuetext")
    assert (before, after) == ("50 % Photo, 50 % Sketch", "51 % Photo, 49 % Sketch")


def test_nothing_is_wider_than_a_phone(visit):
    page, _, _ = visit
    page.set_viewport_size({"width": 360, "height": 740})
    for state in ("welcome", opened(page, png(collage()))):
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, state


def test_no_other_host_can_be_reached(browser, site, served):
    """Neither by the page nor by its worker, on a server that sends no policy of its own."""
    plain = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), plain)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    here, other = serve.address(plain), served(site)
    page = browser.new_page()
    page.goto(here)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    (worker,) = page.workers
    ask = """(url) => fetch(`${url}manifest.json`, {mode: "no-cors"})
        .then(() => "reached", () => "blocked")"""
    for place in (page, worker):
        assert place.evaluate(ask, here) == "reached"
        assert place.evaluate(ask, other) == "blocked"
    page.close()
    plain.shutdown()
    plain.server_close()
