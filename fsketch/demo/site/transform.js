// Pillow's Image.transform by an affine map, without antialiasing, to the bit.

import { blank } from "./raster.js";

const FILTERS = { bilinear, bicubic };

/**
 * Pixel (x, y) of the result is taken at (a x + b y + c, d x + e y + f) of the image, both measured
 * at the pixels' centres; what lies outside the image is 0.
 */
export function transformed(image, width, height, [a, b, c, d, e, f], filter) {
  const made = blank(width, height, image.channels, image.data.constructor);
  const take = FILTERS[filter];
  for (let v = 0, o = 0; v < height; v++) {
    for (let u = 0; u < width; u++, o += image.channels) {
      const x = a * (u + 0.5) + b * (v + 0.5) + c;
      const y = d * (u + 0.5) + e * (v + 0.5) + f;
      if (x >= 0 && y >= 0 && x < image.width && y < image.height) take(image, x - 0.5, y - 0.5, made.data, o);
    }
  }
  return made;
}

const clip = (i, size) => (i < 0 ? 0 : i < size ? i : size - 1);

function bilinear({ width, height, channels, data }, x, y, out, o) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const [i, j] = [clip(left, width) * channels, clip(left + 1, width) * channels];
  const upper = clip(top, height) * width * channels;
  const lower = clip(top + 1, height) * width * channels;
  for (let c = 0; c < channels; c++) {
    const first = data[upper + i + c] + (data[upper + j + c] - data[upper + i + c]) * dx;
    const second = data[lower + i + c] + (data[lower + j + c] - data[lower + i + c]) * dx;
    out[o + c] = first + (second - first) * dy;
  }
}

const curve = (a, b, c, d, t) => b + t * (-a + c + t * (2 * (a - b) + c - d + t * (-a + b - c + d)));

function bicubic({ width, height, channels, data }, x, y, out, o) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const columns = [-1, 0, 1, 2].map((k) => clip(left + k, width) * channels);
  const rows = [-1, 0, 1, 2].map((k) => clip(top + k, height) * width * channels);
  for (let c = 0; c < channels; c++) {
    const [p, q, r, s] = rows.map((row) => {
      const at = row + c;
      return curve(data[at + columns[0]], data[at + columns[1]], data[at + columns[2]], data[at + columns[3]], dx);
    });
    const value = curve(p, q, r, s, dy);
    out[o + c] = value <= 0 ? 0 : value >= 255 ? 255 : value;
  }
}
