"""The page's arithmetic in headless Chromium: Pillow's, numpy's and that of fsketch/faces."""

import numpy as np
import pytest
from demo.javascript import called, sent
from PIL import Image, ImageFilter
from skimage import data

from fsketch.demo import serve
from fsketch.faces import align


@pytest.fixture
def modules(browser, served):
    """Runs JavaScript in a page that can import the site's modules."""
    page = browser.new_page()
    page.goto(f"{served(serve.SITE)}icon.svg")
    yield page
    page.close()


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
