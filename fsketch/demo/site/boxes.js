// Boxes [x0, y0, x1, y1] as fsketch/faces/boxes.py has them; a find is {score, box, ...}.

/** The square around the same centre whose side is the box's longer one. */
export function square([x0, y0, x1, y1]) {
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  return [x - half, y - half, x + half, y + half];
}

/** Each side moved by its offset times the box's width. */
export function moved(box, offsets) {
  const width = box[2] - box[0];
  return box.map((side, k) => side + offsets[k] * width);
}

export const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);

/** Finds without those that overlap a better one, best first; ofSmaller: as a share of the smaller. */
export function suppressed(finds, threshold, { ofSmaller = false } = {}) {
  let left = [...finds].sort((a, b) => b.score - a.score);
  const kept = [];
  while (left.length) {
    const [best, ...others] = left;
    kept.push(best);
    left = others.filter((other) => overlap(best.box, other.box, ofSmaller) <= threshold);
  }
  return kept;
}

function overlap(one, other, ofSmaller) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const common = Math.max(width, 0) * Math.max(height, 0);
  const [a, b] = [area(one), area(other)];
  return common / Math.max(ofSmaller ? Math.min(a, b) : a + b - common, Number.MIN_VALUE);
}
