"""The page in headless Chromium: its arithmetic against Pillow's and fsketch's, and a whole visit.

Needs Chromium (Debian's package) and playwright (the extra `page`); what runs nets needs ONNX
Runtime Web too: the npm package or its folder, named by the variable FSKETCH_RUNTIME.
"""

import base64
import shutil
import threading

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsketch.demo import serve

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
    ("kernel", "size", "box"),
    [
        ("BILINEAR", (181, 143), (0, 0, 300, 200)),
        ("BILINEAR", (24, 24), (10.25, 7.5, 90.75, 88)),
        ("BILINEAR", (512, 341), (0, 0, 300, 200)),
        ("BICUBIC", (200, 250), (3, 5, 33.5, 48)),
        ("LANCZOS", (77, 51), (0, 0, 300, 200)),
    ],
)
def test_resampling_is_pillow_s(modules, kernel, size, box):
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    image[60:, 100:] = data.astronaut()[:140, 150:350]
    made = called(
        modules,
        """const {resized} = await import("/raster.js");
        return told(resized(got(given.image), ...given.size, given.kernel, given.box));""",
        image=sent(image),
        size=size,
        kernel=kernel.lower(),
        box=box,
    )
    expected = Image.fromarray(image).resize(size, Image.Resampling[kernel], box=box)
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
