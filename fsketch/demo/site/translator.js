// A model's ONNX on one frame: laid in the middle of its canvas, as fsketch/translator.py does.

import { bytes } from "./nets.js";
import { blank, filled, paste } from "./raster.js";

/**
 * uint8 frame -> uint8 frame by `net`.  channels: 1 or 3, of its input; canvas: [height, width];
 * fill: 0..255, or null: mirrored.
 */
export async function translated(net, colours, { channels: taken, canvas: [height, width], fill }) {
  const frame = taken === 1 ? grey(colours) : colours;
  const left = Math.floor((width - frame.width) / 2);
  const top = Math.floor((height - frame.height) / 2);
  const laid = filled(width, height, frame.channels, fill ?? 0);
  if (fill === null) mirror(laid, frame, left, top);
  else paste(laid, frame, left, top);
  const input = bytes(laid.data, 1, height, width, frame.channels);
  const made = (await net.run({ [net.inputNames[0]]: input }))[net.outputNames[0]];
  const channels = made.dims[3];
  const cut = blank(frame.width, frame.height, channels);
  paste(cut, { width, height, channels, data: made.data }, -left, -top);
  return cut;
}

function mirror(laid, frame, left, top) {
  const inside = (i, size) => (i < 0 ? -1 - i : i < size ? i : 2 * size - 1 - i);
  for (let y = 0, o = 0; y < laid.height; y++) {
    for (let x = 0; x < laid.width; x++) {
      const row = inside(y - top, frame.height) * frame.width;
      const i = (row + inside(x - left, frame.width)) * frame.channels;
      for (let c = 0; c < frame.channels; c++) laid.data[o++] = frame.data[i + c];
    }
  }
}

/** Pillow's conversion to "L". */
function grey({ width, height, data }) {
  const made = blank(width, height, 1);
  for (let i = 0, o = 0; o < made.data.length; i += 3) {
    made.data[o++] = (19595 * data[i] + 38470 * data[i + 1] + 7471 * data[i + 2] + 0x8000) >> 16;
  }
  return made;
}
