// A second look at what may be a face, in several views, as fsketch/faces/second_look.py has it: which
// way up it is, whether it is one, and where exactly.

import { placed, views } from "./crops.js";

export const SIZE = 48; // px of a view
const TURN_SCALES = [0.9, 1.1]; // of the square, in each of the four turns
const SCALES = [0.9, 1, 1.1]; // of the square, in the turn that was found
const ROUNDS = 2;
const MIRRORED = [1, 0, 2, 4, 3]; // points of a mirrored view in the order of the face

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** One sight {score, box, points} for each upright square; run: images -> {score, box, points}. */
export async function look(run, photo, squares) {
  const quarters = [[1, 0], [0, 1], [-1, 0], [0, -1]];
  const turned = squares.flatMap(([x0, y0, x1, y1]) => {
    const centre = [(x0 + x1) / 2, (y0 + y1) / 2];
    return quarters.map((quarter) => around(centre, quarter.map((v) => v * (x1 - x0)), TURN_SCALES));
  });
  const means = (await seen(run, photo, turned)).map(mean);
  let sights = squares.map((_, i) => means.slice(4 * i, 4 * i + 4)
    .reduce((best, sight) => (sight.logit > best.logit ? sight : best)));
  for (let round = 0; round < ROUNDS; round++) {
    const scaled = sights.map(({ centre, size, points }) =>
      around(centre, upward(points).map((v) => Math.max(...size) * v), SCALES));
    sights = (await seen(run, photo, scaled)).map(mean);
  }
  return sights.map((sight) => ({
    score: 1 / (1 + Math.exp(-sight.logit)),
    box: bounds(sight),
    points: sight.points,
  }));
}

/** Views of each scale, mirrored as well. */
const around = (centre, side, scales) => scales.flatMap((scale) =>
  [false, true].map((isMirrored) => ({ centre, side: side.map((v) => scale * v), isMirrored })));

async function seen(run, photo, groups) {
  const { score, box, points } = await run(groups.flatMap((group) => views(photo, group, SIZE)));
  let i = 0;
  return groups.map((group) => group.map((view) => {
    const p = score.data[2 * i + 1];
    const sides = box.data.slice(4 * i, 4 * i + 4);
    const at = points.data.slice(10 * i, 10 * i + 10);
    i++;
    const order = view.isMirrored ? MIRRORED : [0, 1, 2, 3, 4];
    const [low, high] = [[sides[0], sides[1]], [sides[2] + 1, sides[3] + 1]];
    return {
      logit: Math.log(Math.max(p, 1e-7) / Math.max(1 - p, 1e-7)),
      points: order.map((k) => placed(view, [at[k], at[k + 5]])),
      centre: placed(view, [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2]),
      size: low.map((v, k) => (high[k] - v) * Math.hypot(...view.side)),
    };
  }));
}

function mean(sights) {
  const pairs = (get) => [0, 1].map((k) => sum(sights.map((s) => get(s)[k])) * (1 / sights.length));
  return {
    logit: sum(sights.map(({ logit }) => logit)) / sights.length,
    points: MIRRORED.map((_, i) => pairs((s) => s.points[i])),
    centre: pairs((s) => s.centre),
    size: pairs((s) => s.size),
  };
}

/** The direction from the first eye to the second, of length 1. */
function upward([left, right]) {
  const eyes = left.map((v, k) => right[k] - v);
  return eyes.map((v) => v * (1 / Math.max(Math.hypot(...eyes), 1e-9)));
}

/** The box around the ellipse in a face's own box. */
function bounds({ centre: [x, y], size: [width, height], points }) {
  const [c, s] = upward(points);
  const [across, down] = [Math.hypot(c * width, s * height) / 2, Math.hypot(s * width, c * height) / 2];
  return [x - across, y - down, x + across, y + down];
}
