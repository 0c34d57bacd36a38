// Eyes -> the 200 x 250 frame and back, as fsketch/faces/align.py has it.

import { blank, resized } from "./raster.js";

export const FRAME = [200, 250];
const EYES = [[75, 125], [125, 125]];

/** [a, b, c, d]: frame (x, y) -> picture (a x - b y + c, b x + a y + d). */
export function similarity([left, right]) {
  const span = EYES[1][0] - EYES[0][0];
  const [a, b] = [(right[0] - left[0]) / span, (right[1] - left[1]) / span];
  const [x, y] = EYES[0];
  return [a, b, left[0] - (a * x - b * y), left[1] - (b * x + a * y)];
}

export function aligned(image, eyes) {
  let [a, b, c, d] = similarity(eyes);
  const scale = Math.hypot(a, b);
  if (scale > 1.5) {
    const width = Math.max(1, Math.round(image.width / scale));
    const height = Math.max(1, Math.round(image.height / scale));
    const k = width / image.width;
    image = resized(image, width, height, "lanczos");
    [a, b, c, d] = [a * k, b * k, c * k, d * k];
  }
  const made = blank(...FRAME, image.channels);
  for (let v = 0, o = 0; v < made.height; v++) {
    for (let u = 0; u < made.width; u++, o += image.channels) {
      const [x, y] = [u + 0.5, v + 0.5];
      bicubic(image, a * x - b * y + c - 0.5, b * x + a * y + d - 0.5, made.data, o);
    }
  }
  return made;
}

const mirrored = (i, size) => {
  const k = ((i % (2 * size)) + 2 * size) % (2 * size);
  return k < size ? k : 2 * size - 1 - k;
};

function taps(t) {
  return [
    ((-0.5 * t + 1) * t - 0.5) * t,
    (1.5 * t - 2.5) * t * t + 1,
    ((-1.5 * t + 2) * t + 0.5) * t,
    (0.5 * t - 0.5) * t * t,
  ];
}

function bicubic(image, x, y, out, o) {
  const { width, height, channels, data } = image;
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [taps(x - left), taps(y - top)];
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let r = 0; r < 4; r++) {
      const row = mirrored(top - 1 + r, height) * width;
      for (let k = 0; k < 4; k++) {
        sum += down[r] * across[k] * data[(row + mirrored(left - 1 + k, width)) * channels + c];
      }
    }
    out[o + c] = Math.min(255, Math.max(0, Math.round(sum)));
  }
}

/** The picture, or paper, with the drawn frames set into it. */
export function scene(image, drawn, background) {
  const made = background === "paper" ? blank(image.width, image.height, 3, 250) : { ...image, data: image.data.slice() };
  for (const { eyes, frame } of drawn) {
    const [a, b, c, d] = similarity(eyes);
    const corners = [[0, 0], [200, 0], [0, 250], [200, 250]].map(([x, y]) => [a * x - b * y + c, b * x + a * y + d]);
    const xs = corners.map((p) => p[0]);
    const ys = corners.map((p) => p[1]);
    const norm = a * a + b * b;
    const pixel = new Uint8Array(frame.channels);
    for (let v = Math.max(0, Math.floor(Math.min(...ys))); v < Math.min(image.height, Math.ceil(Math.max(...ys))); v++) {
      for (let u = Math.max(0, Math.floor(Math.min(...xs))); u < Math.min(image.width, Math.ceil(Math.max(...xs))); u++) {
        const [p, q] = [u + 0.5 - c, v + 0.5 - d];
        const [x, y] = [(a * p + b * q) / norm, (a * q - b * p) / norm];
        const edge = Math.min(x - 4, 196 - x, y - 4, 246 - y) / 16;
        if (edge <= 0) continue;
        const soft = edge >= 1 ? 1 : edge * edge * (3 - 2 * edge);
        bicubic(frame, x - 0.5, y - 0.5, pixel, 0);
        const o = (v * image.width + u) * 3;
        for (let k = 0; k < 3; k++) {
          made.data[o + k] += soft * (pixel[frame.channels === 1 ? 0 : k] - made.data[o + k]);
        }
      }
    }
  }
  return made;
}
