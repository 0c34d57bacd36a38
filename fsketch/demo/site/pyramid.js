// A photo in many sizes, side by side in one image, as fsketch/faces/pyramid.py has it.

import { filled, paste, resized, rounded, shrunk } from "./raster.js";

export const [STRIDE, WINDOW] = [2, 12]; // of the first net
const SMALLEST = 24; // px of the smallest face that is looked for, on the canvas
const STEP = 0.709;
const GREY = 127;

/** {tiles: [{size, x, y}], width, height} for a square canvas. */
export function layout(canvas) {
  const even = (size) => Math.ceil(size / STRIDE) * STRIDE;
  const [tiles, columns] = [[], []];
  let scale = WINDOW / SMALLEST;
  const height = even(rounded(canvas * scale));
  let width = 0;
  for (let size = rounded(canvas * scale); size >= WINDOW; size = rounded(canvas * scale)) {
    let column = columns.find(({ used }) => used + size <= height);
    if (!column) {
      columns.push((column = { x: width, used: 0 }));
      width += even(size);
    }
    tiles.push({ size, x: column.x, y: column.used });
    column.used += even(size);
    scale *= STEP;
  }
  return { tiles, width, height };
}

/** The image at the top left of a grey canvas, and how much smaller it is there. */
export function reduced(image, side) {
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((px) => Math.max(1, rounded(px * scale)));
  const canvas = filled(side, side, 3, GREY);
  paste(canvas, shrunk(image, width, height, "bilinear", 2), 0, 0);
  return { canvas, scale };
}

export function mosaic(canvas, { tiles, width, height }) {
  const made = filled(width, height, 3, GREY);
  for (const { size, x, y } of tiles) paste(made, resized(canvas, size, size, "bilinear"), x, y);
  return made;
}

/** Finds of the first net in a tile of its maps, in pixels of the canvas. */
export function windows(canvas, { size, x, y }, score, box, threshold) {
  const [, , columns] = score.dims;
  const count = Math.floor((size - WINDOW) / STRIDE) + 1;
  const found = [];
  for (let v = 0; v < count; v++) {
    for (let u = 0; u < count; u++) {
      const i = (y / STRIDE + v) * columns + x / STRIDE + u;
      if (score.data[2 * i + 1] <= threshold) continue;
      const corners = [u, v, u, v].map((k, side) => k * STRIDE + (side < 2 ? 0 : WINDOW));
      const sides = corners.map((corner, k) => (corner + box.data[4 * i + k] * WINDOW) * (canvas / size));
      found.push({ score: score.data[2 * i + 1], box: sides });
    }
  }
  return found;
}
