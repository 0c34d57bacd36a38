// Photos to the frame of 200 x 250 pixels, by the eyes, and drawings in that frame back to photos, as
// fsketch/faces/align.py does both.  A map is {origin: [x, y], step: [a, b]}: the point (u, v) goes
// to origin + (a u - b v, b u + a v).

import { gaussian } from "./blur.js";
import { blank, cropped, filled, rounded, shrunk } from "./raster.js";
import { transformed } from "./transform.js";

export const [WIDTH, HEIGHT] = [200, 250];
const EYES = [[75, 125], [125, 125]];
const PAPER = 255;
const BLURS = [[0, 0], [5, 3], [15, 10], [40, 30]];
const FADE = 10;
const [SOFT, RADIUS] = [26, 70];
const HEAD = { centre: [100, 132], half: [72, 102], rim: 22 };
const { fround } = Math;

const mapped = ({ origin: [x, y], step: [a, b] }, [u, v]) => [x + a * u - b * v, y + b * u + a * v];

function inverse({ origin: [x, y], step: [a, b] }) {
  const norm = a * a + b * b;
  return { origin: [-(a * x + b * y) / norm, (b * x - a * y) / norm], step: [a / norm, -b / norm] };
}

const seenFrom = ({ origin, step }, corner) => ({ origin: origin.map((v, k) => v - corner[k]), step });

function toPhoto([left, right]) {
  const span = EYES[1][0] - EYES[0][0];
  const [a, b] = left.map((v, k) => (right[k] - v) / span);
  const [u, v] = EYES[0];
  return { origin: [left[0] - a * u + b * v, left[1] - b * u - a * v], step: [a, b] };
}

/** The box [low, high] of a photo that the frame and a margin around it meet. */
function reach(map, margin) {
  const corners = [-margin, WIDTH + margin].flatMap((u) =>
    [-margin, HEIGHT + margin].map((v) => mapped(map, [u, v])));
  const sides = [0, 1].map((k) => corners.map((corner) => corner[k]));
  return [sides.map((s) => Math.floor(Math.min(...s))), sides.map((s) => Math.ceil(Math.max(...s)))];
}

/** The image, made smaller so that no step in it is longer than a pixel. */
function fitting(image, map) {
  const scale = 1 / Math.hypot(...map.step);
  if (scale >= 1) return [image, map];
  const sides = [image.width, image.height];
  const size = sides.map((px) => Math.max(1, Math.floor(px * scale)));
  const box = [0, 0, ...sides.map((px, k) => Math.min(size[k] / scale, px))];
  const times = (v) => v * scale;
  return [shrunk(image, ...size, "lanczos", 3, box), { origin: map.origin.map(times), step: map.step.map(times) }];
}

function sampled(image, { origin: [x, y], step: [a, b] }, width, height, filter = "bicubic") {
  return transformed(image, width, height, [a, -b, x, b, a, y], filter);
}

/** The face of a photo in the frame; beyond the photo the colours of its edge, the more blurred the farther. */
export function aligned(photo, eyes) {
  const map = toPhoto(eyes);
  const [low, high] = reach(map, 4);
  const size = [photo.width, photo.height];
  const first = low.map((v, k) => Math.min(Math.max(v, 0), size[k] - 1));
  const last = high.map((v, k) => Math.min(Math.max(v, first[k] + 1), size[k]));
  let [part, toPart] = fitting(cropped(photo, [...first, ...last]), seenFrom(map, first));
  const scale = Math.hypot(...toPart.step) / Math.hypot(...map.step);
  if (low.some((v) => v < 0) || high.some((v, k) => v > size[k])) {
    const px = [part.width, part.height];
    const before = first.map((v, k) => Math.ceil(Math.max(v - low[k], 0) * scale));
    const after = first.map((v, k) => Math.max(Math.ceil((high[k] - v) * scale) - px[k], 0));
    part = extended(part, before, after, Math.hypot(...toPart.step));
    toPart = seenFrom(toPart, before.map((v) => -v));
  }
  return sampled(part, toPart, WIDTH, HEIGHT);
}

/** A drawing in the frame that fades to paper beyond the edge of the photo with these eyes. */
export function onPaper(drawing, eyes, photo) {
  const map = toPhoto(eyes);
  const unit = Math.hypot(...map.step);
  const made = { ...drawing, data: drawing.data.slice() };
  for (let row = 0, i = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      const [x, y] = mapped(map, [column + 0.5, row + 0.5]);
      const depth = Math.min(x, photo.width - x, y, photo.height - y);
      const share = smooth(1 + depth / unit / FADE);
      for (let c = 0; c < drawing.channels; c++, i++) {
        made.data[i] = Math.floor(PAPER + share * (drawing.data[i] - PAPER) + 0.5);
      }
    }
  }
  return made;
}

/** The image with pixels of its edge's colours before and after it, blurred by BLURS. */
function extended(image, before, after, unit) {
  const { channels } = image;
  const size = [image.width, image.height];
  const [width, height] = size.map((px, k) => before[k] + px + after[k]);
  const grown = blank(width, height, channels);
  const inside = (i, px) => Math.min(Math.max(i, 0), px - 1);
  const distance = new Float64Array(width * height);
  const beyond = (i, k) => Math.max(0, before[k] - i, i - (before[k] + size[k] - 1));
  for (let y = 0, o = 0; y < height; y++) {
    const row = inside(y - before[1], size[1]) * size[0];
    for (let x = 0; x < width; x++, o++) {
      const i = (row + inside(x - before[0], size[0])) * channels;
      for (let c = 0; c < channels; c++) grown.data[o * channels + c] = image.data[i + c];
      distance[o] = Math.hypot(beyond(x, 0), beyond(y, 1)) / unit;
    }
  }
  const made = Float32Array.from(grown.data);
  for (let k = 1; k < BLURS.length; k++) {
    const [[start], [end, sigma]] = [BLURS[k - 1], BLURS[k]];
    const blurred = gaussian(grown, sigma * unit).data;
    for (let i = 0; i < made.length; i++) {
      const share = (distance[Math.floor(i / channels)] - start) / (end - start);
      if (share <= 0) continue;
      made[i] += fround(fround(Math.min(share, 1)) * fround(blurred[i] - made[i]));
    }
  }
  return { ...grown, data: Uint8Array.from(made, rounded) };
}

/** How far each pixel of the frame is from the frame's edge, whose corners are round. */
function edgeDepth() {
  const depth = blank(WIDTH, HEIGHT, 1, Float32Array);
  for (let y = 0, o = 0; y < HEIGHT; y++) {
    const down = Math.abs(y + 0.5 - HEIGHT / 2) - HEIGHT / 2 + RADIUS;
    for (let x = 0; x < WIDTH; x++, o++) {
      const across = Math.abs(x + 0.5 - WIDTH / 2) - WIDTH / 2 + RADIUS;
      const outside = Math.hypot(Math.max(down, 0), Math.max(across, 0)) + Math.min(Math.max(down, across), 0);
      depth.data[o] = Math.max(RADIUS - outside, 0);
    }
  }
  return depth;
}

/** 1 where the frame shows the head, 0 beyond its rim. */
function headShare() {
  const share = blank(WIDTH, HEIGHT, 1, Float32Array);
  const { centre, half, rim } = HEAD;
  for (let y = 0, o = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++, o++) {
      const away = Math.hypot((x + 0.5 - centre[0]) / half[0], (y + 0.5 - centre[1]) / half[1]);
      share.data[o] = smooth((1 - away) * half[0] / rim);
    }
  }
  return share;
}

const smooth = (value) => {
  const x = Math.min(Math.max(value, 0), 1);
  return x * x * (3 - 2 * x);
};

/** Drawings {eyes, frame} set into the photo, or onto paper; background: "photo" or "paper". */
export function scene(photo, drawn, background) {
  const { width, height } = photo;
  const made = background === "paper" ? filled(width, height, 3, PAPER) : { ...photo, data: photo.data.slice() };
  const ground = made.data.slice();
  const [depth, head] = [edgeDepth(), headShare()];
  const earlier = [];
  for (const { eyes, frame } of drawn) {
    const map = toPhoto(eyes);
    const bounds = reach(map, 0).map(([x, y]) => [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)]);
    const [low, high] = bounds;
    const size = [high[0] - low[0], high[1] - low[1]];
    if (Math.min(...size) > 0) {
      const levels = (level, to) => sampled(level, inverse(seenFrom(to, low)), ...size, "bilinear").data;
      const own = levels(depth, map);
      const share = Float32Array.from(own, (d) => smooth(d / SOFT));
      for (const other of earlier) {
        levels(depth, other).forEach((d, i) => (share[i] *= smooth(0.5 + (own[i] - d) / SOFT)));
      }
      const [face, toFace] = fitting(frame, inverse(seenFrom(map, low)));
      blend(made, ground, sampled(face, toFace, ...size), low, share, levels(head, map));
    }
    earlier.push(map);
  }
  return made;
}

/** Pillow's paste with a mask. */
function mixed(below, above, mask) {
  const sum = below * (255 - mask) + above * mask + 128;
  return ((sum >> 8) + sum) >> 8;
}

/** Sets a part into the picture; beyond the head it is multiplied with the ground. */
function blend(made, ground, part, [left, top], share, head) {
  const { channels } = part;
  for (let y = 0, i = 0; y < part.height; y++) {
    let o = ((top + y) * made.width + left) * 3;
    for (let x = 0; x < part.width; x++, i++, o += 3) {
      const [mask, cover] = [rounded(255 * share[i]), rounded(255 * head[i])];
      for (let c = 0; c < 3; c++) {
        const level = part.data[i * channels + (channels === 1 ? 0 : c)];
        const ink = mixed(Math.trunc((level * ground[o + c]) / 255), level, cover);
        made.data[o + c] = mixed(made.data[o + c], ink, mask);
      }
    }
  }
}
