// Pillow's ImageFilter.GaussianBlur, to the bit: three box blurs a side.

import { blank } from "./raster.js";

const PASSES = 3;
const { fround } = Math;

export function gaussian(image, sigma) {
  if (sigma === 0) return image;
  const radius = boxRadius(sigma);
  let made = image;
  for (let k = 0; k < PASSES; k++) made = boxed(made, radius);
  made = transposed(made);
  for (let k = 0; k < PASSES; k++) made = boxed(made, radius);
  return transposed(made);
}

/** Gwosdek et al., SSVM 2011: the radius of boxes that are as wide as the Gaussian. */
function boxRadius(sigma) {
  const s = fround(fround(fround(sigma) * fround(sigma)) / PASSES);
  const l = Math.floor((fround(Math.sqrt(12 * s + 1)) - 1) / 2);
  let a = fround((2 * l + 1) * fround(fround(l * (l + 1)) - fround(3 * s)));
  a = fround(a / fround(6 * fround(s - fround((l + 1) * (l + 1)))));
  return fround(l + a);
}

/** Each row's running mean over 2 radius + 1 pixels, edge pixels repeated. */
function boxed(image, radius) {
  const { width, height, channels, data } = image;
  const made = blank(width, height, channels);
  const reach = Math.trunc(radius);
  const inner = Math.trunc(fround(2 ** 24 / fround(fround(radius * 2) + 1)));
  const outer = Math.trunc((2 ** 24 - (reach * 2 + 1) * inner) / 2);
  const at = (row, x) => (row + Math.min(width - 1, Math.max(0, x))) * channels;
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let x = -reach - 1; x < reach; x++) sum += data[at(row, x) + c];
      for (let x = 0; x < width; x++) {
        sum += data[at(row, x + reach) + c] - data[at(row, x - reach - 1) + c];
        const edges = data[at(row, x - reach - 1) + c] + data[at(row, x + reach + 1) + c];
        made.data[(row + x) * channels + c] = (sum * inner + edges * outer + 2 ** 23) / 2 ** 24;
      }
    }
  }
  return made;
}

function transposed({ width, height, channels, data }) {
  const made = blank(height, width, channels);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) made.data[(x * height + y) * channels + c] = data[i++];
    }
  }
  return made;
}
