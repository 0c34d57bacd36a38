// MTCNN as fsketch/faces/detector.py has it: pyramid and first net, suppression, second, third net.

import { floats } from "./nets.js";
import { blank, paste, resized, turned, turnedPoint } from "./raster.js";

const CANVAS = 512;
const SMALLEST = 24; // px of a face on the canvas
const STEP = 0.709;
const SCORES = [0.6, 0.7, 0.7];

/** nets: {pnet, rnet, onet}; image: RGB.  Faces, largest first: {score, box, points, notes}. */
export async function find(nets, image) {
  for (const quarters of [0, 1, 3, 2]) {
    const faces = await upright(nets, turned(image, quarters));
    if (!faces.length) continue;
    const size = quarters % 2 ? [image.height, image.width] : [image.width, image.height];
    const back = ([x, y]) => turnedPoint(x, y, ...size, 4 - quarters);
    const [dx, dy] = quarters ? [0, 0] : [0, 0];
    return faces.map((face) => {
      const [x0, y0] = back(face.box.slice(0, 2));
      const [x1, y1] = back(face.box.slice(2));
      const box = [Math.min(x0, x1) + dx, Math.min(y0, y1) + dy, Math.max(x0, x1), Math.max(y0, y1)];
      return { ...face, box, points: face.points.map(back) };
    });
  }
  return [];
}

async function upright(nets, image) {
  const scale = Math.min(1, CANVAS / Math.max(image.width, image.height));
  const canvas = blank(CANVAS, CANVAS, 3, 127);
  const size = [image.width, image.height].map((px) => Math.max(1, Math.round(px * scale)));
  paste(canvas, resized(image, ...size, "bilinear"), 0, 0);
  let boxes = [];
  for (let m = 12 / SMALLEST; CANVAS * m >= 12; m *= STEP) {
    const side = Math.ceil(CANVAS * m);
    const level = await first(nets.pnet, resized(canvas, side, side, "bilinear"), CANVAS / side);
    boxes.push(...suppressed(level, 0.5));
  }
  boxes = suppressed(boxes, 0.7).map(square).slice(0, 256);
  boxes = await refined(nets.rnet, canvas, boxes, 24, SCORES[1]);
  boxes = suppressed(boxes.map(moved), 0.7).map(square);
  boxes = await refined(nets.onet, canvas, boxes, 48, SCORES[2]);
  return suppressed(boxes.map(moved), 0.7, Math.min).map((face) => ({
    score: face.score,
    box: face.box.map((v) => v / scale),
    points: face.points.map(([x, y]) => [x / scale, y / scale]),
    notes: [],
  })).sort((a, b) => area(b.box) - area(a.box));
}

function normalised(image) {
  return Float32Array.from(image.data, (v) => (v - 127.5) / 128);
}

async function first(pnet, image, unit) {
  const input = floats(normalised(image), 1, image.height, image.width, 3);
  const { score, box } = await pnet.run({ image: input });
  const [, height, width] = score.dims;
  const found = [];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const p = score.data[2 * i + 1];
      if (p <= SCORES[0]) continue;
      const corner = [2 * x, 2 * y, 2 * x + 12, 2 * y + 12];
      found.push({ score: p, box: corner.map((v, k) => (v + 12 * box.data[4 * i + k]) * unit) });
    }
  }
  return found;
}

async function refined(net, canvas, boxes, side, threshold) {
  if (!boxes.length) return [];
  const input = new Float32Array(boxes.length * side * side * 3);
  boxes.forEach(({ box }, i) => input.set(normalised(extent(canvas, box, side)), i * side * side * 3));
  const made = await net.run({ image: floats(input, boxes.length, side, side, 3) });
  return boxes.flatMap(({ box }, i) => {
    const score = made.score.data[2 * i + 1];
    if (score <= threshold) return [];
    const move = made.box.data.slice(4 * i, 4 * i + 4);
    const width = box[2] - box[0];
    const at = made.points?.data.slice(10 * i, 10 * i + 10);
    const points = at && [0, 1, 2, 3, 4].map((k) => [box[0] + at[k + 5] * 0 + at[k] * width, box[1] + at[k + 5] * width]);
    return [{ score, box, move, points }];
  });
}

function moved(face) {
  const width = face.box[2] - face.box[0];
  return { ...face, box: face.box.map((v, k) => v + face.move[k] * width) };
}

function square(face) {
  const [x0, y0, x1, y1] = face.box;
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  return { ...face, box: [x - half, y - half, x + half, y + half] };
}

const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);

/** The best of overlapping boxes, best first; share: of the union, or of min(areas). */
function suppressed(faces, overlap, over = null) {
  const left = [...faces].sort((a, b) => b.score - a.score);
  const kept = [];
  while (left.length) {
    const best = left.shift();
    kept.push(best);
    for (let i = left.length - 1; i >= 0; i--) {
      const other = left[i].box;
      const width = Math.min(best.box[2], other[2]) - Math.max(best.box[0], other[0]);
      const height = Math.min(best.box[3], other[3]) - Math.max(best.box[1], other[1]);
      const both = Math.max(0, width) * Math.max(0, height);
      const [a, b] = [area(best.box), area(other)];
      if (both / (over ? over(a, b) : a + b - both) > overlap) left.splice(i, 1);
    }
  }
  return kept;
}

function extent(image, [x0, y0, x1, y1], side) {
  const made = blank(side, side, 3);
  for (let v = 0, o = 0; v < side; v++) {
    for (let u = 0; u < side; u++, o += 3) {
      sample(image, x0 + ((u + 0.5) * (x1 - x0)) / side, y0 + ((v + 0.5) * (y1 - y0)) / side, made.data, o);
    }
  }
  return made;
}

function sample(image, x, y, out, o) {
  const { width, height, channels, data } = image;
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
  const [dx, dy] = [x - 0.5 - left, y - 0.5 - top];
  const columns = [Math.max(0, left), Math.min(width - 1, left + 1)];
  const rows = [Math.max(0, top), Math.min(height - 1, top + 1)];
  for (let c = 0; c < channels; c++) {
    const at = (r, k) => data[(rows[r] * width + columns[k]) * channels + c];
    const upper = at(0, 0) + (at(0, 1) - at(0, 0)) * dx;
    const lower = at(1, 0) + (at(1, 1) - at(1, 0)) * dx;
    out[o + c] = Math.trunc(upper + (lower - upper) * dy);
  }
}
