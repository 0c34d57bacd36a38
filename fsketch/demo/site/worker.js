// Everything slow: loading, finding, aligning, drawing, pasting back.  Called by engine.js.

import { aligned, onPaper, scene } from "./align.js";
import { find } from "./detector.js";
import * as nets from "./nets.js";
import { fromCanvas, toCanvas } from "./raster.js";
import { translated } from "./translator.js";

let detector;
let picture; // RGB of the picture in hand
const models = new Map(); // file -> session
const frames = new Map(); // eyes -> the aligned frame
const made = new Map(); // eyes and model -> the drawn frame

const say = (words, share) => postMessage({ progress: { words, share } });

const calls = {
  /** Loads the runtime and, first, the model that is likely needed. */
  async start({ bytes, model }) {
    await nets.start(bytes, (share) => say("Loading the drawing engine", share));
    await session(model.file);
  },

  /** What `start` left out: from here on, no more file is needed. */
  async rest({ finder, files }) {
    const [pnet, rnet, onet] = await Promise.all(finder.map(nets.net));
    detector = { pnet, rnet, onet };
    for (const file of files) await session(file);
  },

  /** The faces of a picture, which is kept in hand. */
  async find({ image }) {
    picture = fromCanvas(image);
    frames.clear();
    made.clear();
    say("Looking for faces");
    return find(detector, picture);
  },

  /** An aligned frame of a picture that is not in hand: the sample of the page. */
  async sample({ image, eyes, model }) {
    const photo = fromCanvas(image);
    return toCanvas(await draw(photo, eyes, aligned(photo, eyes), model));
  },

  /** The aligned frames of these faces' eyes. */
  frames({ eyes }) {
    say(eyes.length > 1 ? `Straightening ${eyes.length} faces` : "Straightening the face");
    return eyes.map((pair) => toCanvas(frame(pair)));
  },

  /** The drawn frames. */
  async draw({ eyes, model }) {
    return (await drawn(eyes, model)).map(toCanvas);
  },

  /** The whole picture with the drawn frames in it. */
  async scene({ eyes, model, background }) {
    const parts = await drawn(eyes, model);
    say("Setting the drawings into the picture");
    return toCanvas(scene(picture, parts.map((part, i) => ({ eyes: eyes[i], frame: part })), background));
  },
};

function frame(eyes) {
  const key = eyes.flat().join();
  if (!frames.has(key)) frames.set(key, aligned(picture, eyes));
  return frames.get(key);
}

/** The drawn frame of a photo: a sketch ends where the photo does. */
async function draw(photo, eyes, aligned, model) {
  const drawing = await translated(await session(model.file), aligned, model);
  return model.direction === "to_sketch" ? onPaper(drawing, eyes, photo) : drawing;
}

async function session(name) {
  if (!models.has(name)) models.set(name, await nets.net(name));
  return models.get(name);
}

async function drawn(eyes, model) {
  const results = [];
  for (const [i, pair] of eyes.entries()) {
    const key = [pair.flat().join(), model.file].join();
    if (!made.has(key)) {
      say(eyes.length > 1 ? `Drawing face ${i + 1} of ${eyes.length}` : "Drawing", i / eyes.length);
      made.set(key, await draw(picture, pair, frame(pair), model));
    }
    results.push(made.get(key));
  }
  return results;
}

let last = Promise.resolve(); // one call after the other
addEventListener("message", ({ data: { id, name, args } }) => {
  last = last.then(async () => {
    try {
      const result = await calls[name](args);
      postMessage({ id, result });
    } catch (error) {
      postMessage({ id, error: error.message ?? String(error) });
    }
  });
});
