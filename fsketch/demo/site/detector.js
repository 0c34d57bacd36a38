// Faces by MTCNN, as fsketch/faces/detector.py finds them.

import { area, moved, square, suppressed } from "./boxes.js";
import { cut } from "./crops.js";
import { floats } from "./nets.js";
import { layout, mosaic, reduced, windows } from "./pyramid.js";
import { turned } from "./raster.js";
import { SIZE, look as lookAgain } from "./second_look.js";

const CANVASES = [512, 1024];
const LARGE = 0.25; // a face's side as a share of the canvas: no need to look closer
const SCORES = [0.6, 0.7, 0.7]; // that the nets must give
const PROPOSALS = 256;
// So much farther apart and lower than those of CUFS are the eyes of the net, in distances of the eyes.
const [WIDER, LOWER] = [0.019, 0.017];
const [TINY, ASIDE, CUT] = [25, 0.36, 0.1];

const best = (faces) => Math.max(0, ...faces.map(({ score }) => score));

/** nets: {pnet, rnet, onet}; image: RGB.  [{score, box, points, notes}], the largest first. */
export async function find(nets, image) {
  let faces = await look(nets, image);
  if (!faces.length) {
    for (const quarters of [1, 3, 2]) {
      const others = await look(nets, turned(image, 4 - quarters));
      if (best(others) > best(faces)) faces = others.map((face) => unturned(face, quarters, image));
    }
  }
  return faces
    .map((face) => ({ ...face, notes: notes(face, image) }))
    .sort((a, b) => area(b.box) - area(a.box));
}

async function look(nets, photo) {
  const [small, large] = CANVASES;
  const faces = await lookOn(nets, photo, small);
  const scale = small / Math.max(photo.width, photo.height);
  const widest = Math.max(0, ...faces.map(({ box }) => box[2] - box[0]));
  if (scale >= 1 || widest * scale >= LARGE * small) return faces;
  const closer = await lookOn(nets, photo, large);
  return closer.length > faces.length ? closer : faces;
}

async function lookOn(nets, photo, side) {
  const { canvas, scale } = reduced(photo, side);
  const squares = await proposals(nets.pnet, canvas);
  const refined = await judged(nets.rnet, squares, (box) => cut(canvas, box, 24), SCORES[1]);
  const again = refined.map((box) => square(box).map((v) => v / scale));
  const found = await judged(nets.onet, again, (box) => cut(photo, box, SIZE), SCORES[2]);
  if (!found.length) return [];
  const run = (images) => nets.onet.run({ image: normalised(images) });
  const sights = await lookAgain(run, photo, found.map(square));
  return suppressed(sights, 0.7, { ofSmaller: true })
    .filter(({ score }) => score > SCORES[2])
    .map((sight) => ({ ...sight, points: calibrated(sight.points) }));
}

function calibrated([left, right, ...others]) {
  const [x, y] = left.map((v, k) => right[k] - v);
  const eye = ([u, v], wider) =>
    [u + (wider * x + LOWER * y), v + (wider * y - LOWER * x)];
  return [eye(left, WIDER / 2), eye(right, -WIDER / 2), ...others];
}

async function proposals(pnet, canvas) {
  const plan = layout(canvas.width);
  const maps = await pnet.run({ image: normalised([mosaic(canvas, plan)]) });
  const found = plan.tiles.flatMap((tile) =>
    suppressed(windows(canvas.width, tile, maps.score, maps.box, SCORES[0]), 0.5));
  return suppressed(found, 0.7).slice(0, PROPOSALS).map(({ box }) => square(box));
}

function normalised(images) {
  const [{ width, height }] = images;
  const input = new Float32Array(images.length * width * height * 3);
  images.forEach(({ data }, n) => {
    for (let i = 0, o = n * data.length; i < data.length; i++, o++) input[o] = (data[i] - 127.5) / 128;
  });
  return floats(input, images.length, height, width, 3);
}

/** The boxes that a net keeps of these squares, corrected, without doubles. */
async function judged(net, squares, crop, threshold) {
  if (!squares.length) return [];
  const { score, box } = await net.run({ image: normalised(squares.map(crop)) });
  const finds = squares.map((given, i) => ({
    score: score.data[2 * i + 1],
    box: moved(given, box.data.slice(4 * i, 4 * i + 4)),
  }));
  return suppressed(finds.filter((find) => find.score > threshold), 0.7).map((find) => find.box);
}

/** A face of the photo turned by quarters against the clock, in the photo as it is. */
function unturned(face, quarters, { width, height }) {
  const place = ([x, y]) => [null, [width - y, x], [width - x, height - y], [y, height - x]][quarters];
  const [[x0, y0], [x1, y1]] = [place(face.box.slice(0, 2)), place(face.box.slice(2))];
  const box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  return { ...face, box, points: face.points.map(place) };
}

function notes({ box, points: [left, right, nose] }, { width, height }) {
  const found = [];
  const eyes = [right[0] - left[0], right[1] - left[1]];
  const distance = Math.hypot(...eyes);
  const middle = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
  const aside = ((nose[0] - middle[0]) * eyes[0] + (nose[1] - middle[1]) * eyes[1]) / distance ** 2;
  if (Math.abs(aside) > ASIDE) found.push("turned aside");
  if (distance < TINY) found.push(`tiny (${distance.toFixed(0)} px between the eyes)`);
  const inside = box.map((v, k) => Math.min(Math.max(v, 0), k % 2 ? height : width));
  if (area(inside) < (1 - CUT) * area(box)) found.push("cut by the frame");
  return found;
}
