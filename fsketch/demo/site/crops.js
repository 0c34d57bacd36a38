// Square crops of a photo at a net's size, as fsketch/faces/crops.py has them.

import { cropped, rounded, shrunk } from "./raster.js";
import { transformed } from "./transform.js";

/** The square of the photo in size x size pixels; black beyond the photo. */
export function cut(photo, square, size) {
  const low = [Math.floor(square[0]), Math.floor(square[1])];
  const high = [2, 3].map((k) => Math.max(Math.ceil(square[k]), low[k - 2] + 1));
  if (Math.min(...low) >= 0 && high[0] <= photo.width && high[1] <= photo.height) {
    return shrunk(photo, size, size, "bilinear", 2, square);
  }
  const part = cropped(photo, [...low, ...high]);
  const inner = square.map((v, k) => Math.min(Math.max(v - low[k % 2], 0), high[k % 2] - low[k % 2]));
  return shrunk(part, size, size, "bilinear", 2, inner);
}

/** The square around `centre` whose upper side is the vector [x, y]. */
export function turned(photo, [x, y], side, size) {
  const length = Math.hypot(...side);
  const reach = (Math.abs(side[0]) + Math.abs(side[1])) / 2;
  const px = rounded(Math.min(4 * size, (4 * size * reach) / length));
  const part = cut(photo, [x - reach, y - reach, x + reach, y + reach], px);
  const [a, b] = side.map((v) => ((v / size) * px) / (2 * reach));
  const [c, f] = [px / 2 - ((a - b) * size) / 2, px / 2 - ((a + b) * size) / 2];
  return transformed(part, size, size, [a, -b, c, b, a, f], "bilinear");
}

/** A point of the unit square that `turned` cuts out -> pixels of the photo. */
export function placed([x, y], centre, [a, b]) {
  const [u, v] = [x - 0.5, y - 0.5];
  return [centre[0] + a * u - b * v, centre[1] + b * u + a * v];
}
