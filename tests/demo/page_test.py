"""The page in headless Chromium: its arithmetic against Pillow's and fsketch's, and a whole visit.

Needs Chromium (Debian's package) and playwright (the extra `page`); what runs nets needs ONNX
Runtime Web too: the npm package or its folder, named by the variable FSKETCH_RUNTIME.
"""

import base64
import io
import os
import shutil
import threading

import jax
import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from fsketch import methods, prediction, restore
from fsketch.configs import cyclegan
from fsketch.core import checkpoint
from fsketch.data import pipeline
from fsketch.demo import models, pages, serve, vendor
from fsketch.faces import align

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    pytest.skip("chromium is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def served():
    """folder -> its address, while the test runs."""
    running = []

    def start(folder):
        running.append(serve.server(folder))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return serve.address(running[-1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def modules(browser, served):
    """Runs JavaScript in a page that can import the site's modules."""
    page = browser.new_page()
    page.goto(f"{served(serve.SITE)}icon.svg")
    yield page
    page.close()


def sent(image):
    """uint8[H, W, C] -> an image of raster.js, as text."""
    height, width, channels = image.shape
    text = base64.b64encode(image.tobytes()).decode()
    return {"width": width, "height": height, "channels": channels, "text": text}


# Around a call: texts to images, and back.
HELPERS = """
const got = ({text, ...image}) =>
  ({...image, data: Uint8Array.from(atob(text), (c) => c.charCodeAt(0))});
const told = (image) => {
  let text = "";
  for (const value of image.data) text += String.fromCharCode(value);
  return {...image, data: btoa(text)};
};
"""


def called(page, code, **given):
    """The image that an asynchronous JavaScript body returns."""
    made = page.evaluate(f"async (given) => {{ {HELPERS} {code} }}", given)
    content = np.frombuffer(base64.b64decode(made["data"]), np.uint8)
    return content.reshape(made["height"], made["width"], -1)


@pytest.mark.parametrize(
    ("kernel", "size", "box", "part"),
    [
        ("BILINEAR", (181, 143), None, None),
        ("BILINEAR", (24, 24), (10.25, 7.5, 90.75, 88), None),
        ("BILINEAR", (512, 341), None, (30, 40, 500, 41)),
        ("BICUBIC", (200, 250), (3, 5, 33.5, 48), None),
        ("LANCZOS", (77, 51), None, (5, 0, 60, 51)),
    ],
)
def test_resampling_is_pillow_s(modules, kernel, size, box, part):
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    image[60:, 100:] = data.astronaut()[:140, 150:350]
    made = called(
        modules,
        """const {resized} = await import("/raster.js");
        const {kernel, box, part} = given;
        return told(resized(got(given.image), ...given.size, kernel, {box, part}));""",
        image=sent(image),
        size=size,
        kernel=kernel.lower(),
        box=box,
        part=part,
    )
    expected = Image.fromarray(image).resize(size, Image.Resampling[kernel], box=box)
    np.testing.assert_array_equal(made, np.asarray(expected.crop(part or (0, 0, *size))))


@pytest.mark.parametrize(
    ("size", "box"),
    [((37, 25), None), ((27, 20), None), ((24, 24), (30.25, 11.5, 250.5, 180.5)), ((99, 70), None)],
)
def test_shrinking_is_pillow_s(modules, size, box):
    image = np.random.default_rng(0).integers(0, 256, (203, 301, 3), np.uint8)
    made = called(
        modules,
        """const {shrunk} = await import("/raster.js");
        return told(shrunk(got(given.image), ...given.size, "bilinear", 2, given.box));""",
        image=sent(image),
        size=size,
        box=box or (0, 0, 301, 203),
    )
    bilinear = Image.Resampling.BILINEAR
    expected = Image.fromarray(image).resize(size, bilinear, box=box, reducing_gap=2.0)
    np.testing.assert_array_equal(made, np.asarray(expected))


@pytest.mark.parametrize("kernel", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize(
    "coefficients",
    [(0.9, -0.3, 20, 0.3, 0.9, -12), (1.7, 0, -30, 0, 1.7, 8), (0.11, 0, 25.3, 0, 0.11, 17)],
)
def test_transforming_is_pillow_s(modules, kernel, coefficients):
    image = np.random.default_rng(0).integers(0, 256, (120, 150, 3), np.uint8)
    image[:, 40:] = data.astronaut()[60:180, 160:270]
    made = called(
        modules,
        """const {transformed} = await import("/transform.js");
        return told(transformed(got(given.image), 200, 250, given.coefficients, given.kernel));""",
        image=sent(image),
        coefficients=coefficients,
        kernel=kernel.lower(),
    )
    expected = Image.fromarray(image).transform(
        (200, 250), Image.Transform.AFFINE, coefficients, Image.Resampling[kernel]
    )
    np.testing.assert_array_equal(made, np.asarray(expected))


@pytest.mark.parametrize("quarters", range(4))
def test_turning_is_numpy_s_and_points_go_along(modules, quarters):
    image = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
    made = called(
        modules,
        """const {turned} = await import("/raster.js");
        return told(turned(got(given.image), given.quarters));""",
        image=sent(image),
        quarters=quarters,
    )
    np.testing.assert_array_equal(made, np.rot90(image, -quarters))
    call = """async (quarters) =>
        (await import("/raster.js")).turnedPoint(6, 1, 7, 4, quarters)"""
    column, row = modules.evaluate(call, quarters)
    np.testing.assert_array_equal(made[row, column], image[1, 6])


@pytest.mark.parametrize("sigma", [0.7, 2, 5.3, 32])
def test_blurring_is_pillow_s(modules, sigma):
    image = np.ascontiguousarray(data.astronaut()[40:130, 180:300])
    made = called(
        modules,
        """const {gaussian} = await import("/blur.js");
        return told(gaussian(got(given.image), given.sigma));""",
        image=sent(image),
        sigma=sigma,
    )
    expected = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
    np.testing.assert_array_equal(made, np.asarray(expected))


# Eyes in the astronaut: upright and larger than the frame, small and rolled, leaving the photo.
EYES = [[(204, 107), (250, 109)], [(190, 90), (210, 110)], [(20, 60), (330, 20)], [(2, 3), (44, 9)]]


@pytest.mark.parametrize("eyes", EYES)
def test_the_frame_is_that_of_the_library(modules, eyes):
    made = called(
        modules,
        """const {aligned} = await import("/align.js");
        return told(aligned(got(given.image), given.eyes));""",
        image=sent(data.astronaut()),
        eyes=eyes,
    )
    np.testing.assert_array_equal(made, align.aligned(data.astronaut(), eyes))


@pytest.mark.parametrize("background", align.BACKGROUNDS)
def test_the_scene_is_that_of_the_library(modules, background):
    image = data.astronaut()
    drawn = np.random.default_rng(0).integers(0, 256, (2, 250, 200, 1), np.uint8)
    made = called(
        modules,
        """const {scene} = await import("/align.js");
        const drawn = given.drawn.map((frame, i) => ({frame: got(frame), eyes: given.eyes[i]}));
        return told(scene(got(given.image), drawn, given.background));""",
        image=sent(image),
        drawn=[sent(one) for one in drawn],
        eyes=EYES[:2],
        background=background,
    )
    pairs = list(zip(drawn, EYES[:2], strict=True))
    differences = abs(made - align.scene(image, pairs, background=background).astype(int))
    assert differences.max() <= 1 and np.mean(differences > 0) < 1e-5  # numpy's are float32


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of both directions with random nets whose images have contrast."""
    config = cyclegan.tiny()
    config.data.fill_mirrored = True
    side = config.data.crop_px
    blank = {"photo": np.zeros((1, side, side, 3)), "sketch": np.zeros((1, side, side, 1))}
    canvases = pipeline.Canvases(**blank, identity=[0], box=np.zeros((1, 4)), id=["0"])
    start = prediction.initial_state(methods.create(config), {}, config, canvases)
    start = jax.tree.map(lambda leaf: 4 * leaf if leaf.ndim == 4 else leaf, start)
    folder = tmp_path_factory.mktemp("run")
    places = checkpoint.open_workdir(folder, keep=1)
    for kept in (places.latest, places.best):
        checkpoint.save(kept, 0, start, restore.meta_data(config, step=0))
    places.wait()
    places.close()
    return str(folder)


@pytest.fixture(scope="module")
def site(workdir, tmp_path_factory):
    """The folder of a whole page."""
    given = os.environ.get("FSKETCH_RUNTIME")
    if not given:
        pytest.skip(f"FSKETCH_RUNTIME does not name {vendor.PACKAGE} (a .tgz file or a folder)")
    folder = tmp_path_factory.mktemp("page")
    pages.write(
        folder,
        models.of_run(workdir),
        finder=models.finder(),
        runtime=vendor.runtime(given),
    )
    return folder


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
