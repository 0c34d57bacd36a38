// Square crops of a photo at a net's size, as fsketch/faces/crops.py has them.  A view is a square in
// any turn: {centre: [x, y], side: [a, b] of its upper side, isMirrored}.

import { cropped, shrunk } from "./raster.js";
import { transformed } from "./transform.js";

const PATCH = 160; // pixels of the part of the photo that views are taken from
const REACH = 1.6; // its side in sides of the square

/** A point of the unit square that a view sees -> pixels of the photo. */
export function placed({ centre: [x, y], side: [a, b], isMirrored }, [u, v]) {
  const [p, q] = [(u - 0.5) * (isMirrored ? -1 : 1), v - 0.5];
  return [x + (p * a - q * b), y + (p * b + q * a)];
}

/** The upright square of the photo in size x size pixels; black beyond the photo. */
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

/**
 * Views around one centre, of about the same size.  The order of operations is numpy's: many points
 * lie exactly between two pixels, where the last bit decides on which side.
 */
export function views(photo, seen, size) {
  const [x, y] = seen[0].centre;
  const half = (REACH / 2) * Math.max(...seen.map(({ side }) => Math.hypot(...side)));
  const patch = cut(photo, [x - half, y - half, x + half, y + half], PATCH);
  const scale = PATCH / (2 * half);
  return seen.map((view) => {
    const at = (point) => placed(view, point).map((v, k) => (v - ([x, y][k] - half)) * scale);
    const [start, right, down] = [at([0, 0]), at([1, 0]), at([0, 1])];
    const step = (end, k) => (end[k] - start[k]) * (1 / size);
    const rows = [0, 1].flatMap((k) => [step(right, k), step(down, k), start[k]]);
    return transformed(patch, size, size, rows, "bilinear");
  });
}
