"""Images between Python and JavaScript."""

import base64

import numpy as np


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
