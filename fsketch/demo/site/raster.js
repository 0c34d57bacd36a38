// Images as {width, height, channels, data: Uint8Array} and Pillow's resampling of them, to the bit,
// so that the page finds and draws what the command line does.

const BITS = 22; // of the weights' fixed point, as in Pillow
const KERNELS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

export function blank(width, height, channels, Levels = Uint8Array) {
  return { width, height, channels, data: new Levels(width * height * channels) };
}

export function filled(width, height, channels, level) {
  const image = blank(width, height, channels);
  image.data.fill(level);
  return image;
}

/** To the nearest whole number, halves to the even one: Python's and numpy's round. */
export function rounded(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** RGBA of a canvas -> RGB. */
export function fromCanvas({ width, height, data }) {
  const image = blank(width, height, 3);
  for (let i = 0, o = 0; i < data.length; i += 4) {
    image.data[o++] = data[i];
    image.data[o++] = data[i + 1];
    image.data[o++] = data[i + 2];
  }
  return image;
}

/** 1 or 3 channels -> RGBA for a canvas. */
export function toCanvas({ width, height, channels, data }) {
  const rgba = new Uint8ClampedArray(width * height * 4);
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let i = 0, o = 0; o < rgba.length; i += channels, o += 4) {
    rgba[o] = data[i];
    rgba[o + 1] = data[i + green];
    rgba[o + 2] = data[i + blue];
    rgba[o + 3] = 255;
  }
  return { width, height, data: rgba };
}

/** Copies `part` onto `image` with its corner at (left, top); what leaves the image is dropped. */
export function paste(image, part, left, top) {
  const width = Math.min(part.width, image.width - left);
  const height = Math.min(part.height, image.height - top);
  for (let y = Math.max(0, -top); y < height; y++) {
    const x = Math.max(0, -left);
    const from = (y * part.width + x) * part.channels;
    const row = part.data.subarray(from, from + (width - x) * part.channels);
    image.data.set(row, ((y + top) * image.width + x + left) * image.channels);
  }
}

/** The part [left, top, right, bottom], whole pixels; black beyond the image. */
export function cropped(image, [left, top, right, bottom]) {
  const made = blank(right - left, bottom - top, image.channels);
  paste(made, image, -left, -top);
  return made;
}

/** Turned by quarters, clockwise. */
export function turned(image, quarters) {
  const { width, height, channels, data } = image;
  if (quarters % 4 === 0) return image;
  const flat = quarters % 2 === 0;
  const made = blank(flat ? width : height, flat ? height : width, channels);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = turnedPoint(x, y, width - 1, height - 1, quarters);
      const o = (v * made.width + u) * channels;
      for (let c = 0; c < channels; c++) made.data[o + c] = data[i++];
    }
  }
  return made;
}

/** Where a point of an image with the far corner (right, bottom) goes when it is turned. */
export function turnedPoint(x, y, right, bottom, quarters) {
  const places = [[x, y], [bottom - y, x], [right - x, bottom - y], [y, right - x]];
  return places[((quarters % 4) + 4) % 4];
}

/**
 * Pillow's Image.resize, with antialiasing.  box: [left, top, right, bottom] of the source, fractions
 * allowed; part: the same of the result, when not all of it is needed.
 */
export function resized(image, width, height, kernel, { box, part } = {}) {
  const [left, top, right, bottom] = (box ?? [0, 0, image.width, image.height]).map(Math.fround);
  const [x0, y0, x1, y1] = part ?? [0, 0, width, height];
  const across = weights(image.width, left, right, width, KERNELS[kernel]).slice(x0, x1);
  const down = weights(image.height, top, bottom, height, KERNELS[kernel]).slice(y0, y1);
  const first = down[0].start;
  const last = down.at(-1).start + down.at(-1).fixed.length;
  return vertical(horizontal(image, across, first, last), down, first);
}

function weights(size, from, to, made, { support, at }) {
  const scale = (to - from) / made;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: made }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support * stretch + 0.5));
    const end = Math.min(size, Math.trunc(centre + support * stretch + 0.5));
    const raw = [];
    let sum = 0;
    for (let x = start; x < end; x++) {
      raw.push(at((x - centre + 0.5) / stretch));
      sum += raw.at(-1);
    }
    const fixed = raw.map((w) => {
      const value = (w / sum) * 2 ** BITS;
      return Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    });
    return { start, fixed: Int32Array.from(fixed) };
  });
}

const HALF = 2 ** (BITS - 1);
const clipped = (sum) => Math.min(255, Math.max(0, sum >> BITS)); // sums stay within 32 bits

/** Rows first..last of the image. */
function horizontal(image, across, first, last) {
  const { channels, data } = image;
  const made = blank(across.length, last - first, channels);
  for (let y = first, o = 0; y < last; y++) {
    const row = y * image.width * channels;
    for (const { start, fixed } of across) {
      for (let c = 0; c < channels; c++, o++) {
        let sum = HALF;
        for (let k = 0, i = row + start * channels + c; k < fixed.length; k++, i += channels) {
          sum += data[i] * fixed[k];
        }
        made.data[o] = clipped(sum);
      }
    }
  }
  return made;
}

/** first: the row of the source that is the image's first. */
function vertical(image, down, first) {
  const { width, channels, data } = image;
  const line = width * channels;
  const made = blank(width, down.length, channels);
  for (let y = 0, o = 0; y < down.length; y++) {
    const { start, fixed } = down[y];
    for (let x = 0; x < line; x++, o++) {
      let sum = HALF;
      for (let k = 0, i = (start - first) * line + x; k < fixed.length; k++, i += line) {
        sum += data[i] * fixed[k];
      }
      made.data[o] = clipped(sum);
    }
  }
  return made;
}

/**
 * Pillow's Image.resize with a `reducing_gap`: first an average of whole pixels.  (Of pictures more
 * than twice as high as wide Pillow 13 resizes the columns first: then levels differ by one.)
 */
export function shrunk(image, width, height, kernel, gap, box = [0, 0, image.width, image.height]) {
  const [across, down] = [(box[2] - box[0]) / width, (box[3] - box[1]) / height];
  const [cellWidth, cellHeight] = [Math.trunc(across / gap) || 1, Math.trunc(down / gap) || 1];
  if (cellWidth === 1 && cellHeight === 1) return resized(image, width, height, kernel, { box });
  const margin = KERNELS[kernel].support - 0.5; // in pixels of the result, around the box
  const safe = [
    Math.max(0, Math.trunc(box[0] - margin * across)),
    Math.max(0, Math.trunc(box[1] - margin * down)),
    Math.min(image.width, Math.ceil(box[2] + margin * across)),
    Math.min(image.height, Math.ceil(box[3] + margin * down)),
  ];
  const inner = box.map((v, k) => (v - safe[k % 2]) / (k % 2 ? cellHeight : cellWidth));
  return resized(averaged(image, cellWidth, cellHeight, safe), width, height, kernel, { box: inner });
}

/** Pillow's Image.reduce of a box: averages of cells, which are smaller at the far edges. */
function averaged(image, cellWidth, cellHeight, [x0, y0, x1, y1]) {
  const { channels, data } = image;
  const width = Math.ceil((x1 - x0) / cellWidth);
  const made = blank(width, Math.ceil((y1 - y0) / cellHeight), channels);
  for (let top = y0, o = 0; top < y1; top += cellHeight) {
    const bottom = Math.min(y1, top + cellHeight);
    for (let left = x0; left < x1; left += cellWidth) {
      const right = Math.min(x1, left + cellWidth);
      const count = (right - left) * (bottom - top);
      const factor = Math.trunc(Math.fround(2 ** 32 / (256 * count)));
      for (let c = 0; c < channels; c++, o++) {
        let sum = Math.trunc(count / 2);
        for (let y = top; y < bottom; y++) {
          const row = y * image.width;
          for (let x = left; x < right; x++) sum += data[(row + x) * channels + c];
        }
        made.data[o] = Math.floor((sum * factor) / 2 ** 24);
      }
    }
  }
  return made;
}
