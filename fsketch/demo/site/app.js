// The page: what was chosen, what is shown.  The work is done in worker.js.

import { Camera } from "./camera.js";
import { Compare } from "./compare.js";
import { segments, strip, terms } from "./controls.js";
import { Engine } from "./engine.js";
import { Refused, listen, read, save, sheet } from "./pictures.js";

const $ = (id) => document.getElementById(id);
const DIRECTIONS = { to_sketch: "Photo to sketch", to_photo: "Sketch to photo" };
const WORDS = { to_sketch: ["Photo", "Sketch"], to_photo: ["Sketch", "Photo"] };
const ADVICE = [
  "Both eyes should be visible and the face at least as wide as a thumbnail.",
  "More light on the face helps, and so does a closer crop.",
  "Sunglasses, masks and strong side views hide what the finder looks for.",
];

const state = { name: "", image: null, faces: [], picked: new Set(), view: "portrait", background: "photo" };
let manifest;
let ready; // settles when the engine runs
let turn = 0; // of the newest picture; answers to older ones are dropped

const engine = new Engine(progress);
const result = new Compare($("result"), "Compare before and after");
const sample = new Compare($("sample"), "Compare the example before and after");
const camera = new Camera($("camera"), (photo) => open([photo]));

function progress({ words, share }) {
  const percent = share === undefined ? null : Math.round(100 * share);
  $("words").textContent = percent === null ? `${words} …` : `${words} … ${percent} %`;
  $("track").style.setProperty("--done", `${percent ?? 100}%`);
  if (percent === null) $("track").removeAttribute("aria-valuenow");
  else $("track").setAttribute("aria-valuenow", percent);
  if ($("status").textContent !== words && document.body.dataset.state === "working") say(words);
}

const say = (words) => ($("status").textContent = words);

/** welcome, working, result or message. */
function enter(name) {
  document.body.dataset.state = name;
  $("welcome").hidden = name !== "welcome";
  $("studio").hidden = name === "welcome";
  $("working").hidden = name !== "working";
  $("progress").hidden = name !== "working";
  $("result").hidden = name !== "result";
  $("message").hidden = name !== "message";
}

function message(title, text, { advice = [], anyway = false } = {}) {
  enter("message");
  $("message-title").textContent = title;
  $("message-text").textContent = text;
  $("message-advice").replaceChildren(
    ...advice.map((line) => Object.assign(document.createElement("li"), { textContent: line })),
  );
  $("anyway").hidden = !anyway;
  $("message-title").focus();
  say(`${title}. ${text}`);
}

function failed(error) {
  if (error instanceof Refused) message(error.title, error.message);
  else message("The drawing engine stopped", `It says: ${error.message}. Load the page again; a current browser may help.`);
}

const models = () => manifest.models.filter((model) => model.direction === state.direction);

function choose(direction) {
  state.direction = direction;
  state.model = models()[0];
  state.style = Object.keys(state.model.files)[0];
  const given = WORDS[direction][0].toLowerCase();
  $("choose").textContent = `Choose a ${given}`;
  $("again").textContent = `Another ${given}`;
  $("message-choose").textContent = `Choose another ${given}`;
  panel();
}

/** A picture comes in: find its faces and draw them. */
async function open(files) {
  const mine = ++turn;
  try {
    const { name, image } = await read(files[0]);
    if (mine !== turn) return;
    Object.assign(state, { name, image, faces: [], picked: new Set() });
    preview(image);
    enter("working");
    scrollTo({ top: 0 });
    progress({ words: "Getting ready" });
    await ready;
    const faces = await engine.call("find", { image });
    if (mine !== turn) return;
    if (!faces.length) {
      return message("No face found in this picture", "What usually helps:", { advice: ADVICE, anyway: true });
    }
    mark(faces, image);
    say(`${faces.length} ${faces.length > 1 ? "faces" : "face"} found`);
    await settle(faces, mine);
  } catch (error) {
    if (mine === turn) failed(error);
  }
}

/** Draws the picture's middle as if it were a face's frame. */
async function whole() {
  const mine = ++turn;
  const { width, height } = state.image;
  const scale = Math.min(width / 200, height / 250);
  const [left, top] = [(width - 200 * scale) / 2, (height - 250 * scale) / 2];
  const eye = (x) => [left + x * scale, top + 125 * scale, 0, 0, 0];
  enter("working");
  try {
    await settle([{ score: 0, points: [eye(75), eye(125)], box: [0, 0, width, height], notes: [] }], mine);
  } catch (error) {
    if (mine === turn) failed(error);
  }
}

async function settle(faces, mine) {
  const frames = await engine.call("frames", { eyes: faces.map(eyes) });
  if (mine !== turn) return;
  Object.assign(state, { faces, frames: frames.map(pixels), picked: new Set(faces.keys()) });
  $("faces").hidden = faces.length < 2;
  $("faces-legend").textContent = `${faces.length} faces`;
  strip($("strip"), state.frames, faces, state.picked, draw);
  panel();
  await draw();
}

const eyes = (face) => face.points.slice(0, 2).map(([x, y]) => [x, y]);
const pixels = ({ data, width, height }) => new ImageData(data, width, height);
const inStyle = (model, style) => ({ ...model, file: model.files[style] });
const model = () => inStyle(state.model, state.style);

/** Shows the picked faces by the chosen model. */
async function draw() {
  const mine = ++turn;
  const picked = [...state.picked].sort((a, b) => a - b);
  const pairs = picked.map((i) => eyes(state.faces[i]));
  const waiting = setTimeout(() => ($("progress").hidden = false), 250);
  try {
    let [before, after] = [state.image, null];
    if (state.view === "scene") {
      after = pixels(await engine.call("scene", { eyes: pairs, model: model(), background: state.background }));
    } else {
      const columns = Math.ceil(Math.sqrt((innerWidth < 820 ? 0.7 : 1.5) * picked.length));
      after = sheet((await engine.call("draw", { eyes: pairs, model: model() })).map(pixels), columns);
      before = sheet(picked.map((i) => state.frames[i]), columns);
    }
    if (mine !== turn) return;
    const first = document.body.dataset.state !== "result";
    state.shown = after;
    result.show(before, after, WORDS[state.direction]);
    fit();
    enter("result");
    notes();
    if (first && document.activeElement === document.body) $("studio-title").focus({ preventScroll: true });
    if (first) result.sweep(100, 50, 900);
    say(`Done. ${picked.length > 1 ? `${picked.length} faces` : "The face"} drawn. Move the slider to compare.`);
  } catch (error) {
    if (mine === turn) failed(error);
  } finally {
    clearTimeout(waiting);
    if (mine === turn) $("progress").hidden = true;
  }
}

/** The largest size of the result that fits the window, at most three times its pixels. */
function fit() {
  if (!state.shown) return;
  const { width, height } = state.shown;
  const tall = Math.max(260, Math.min(innerHeight * 0.68, 760));
  result.root.style.setProperty("--width", `${Math.round(Math.min(3 * width, (tall * width) / height))}px`);
}

function notes() {
  const lines = [...state.picked].filter((i) => state.faces[i].notes.length);
  const each = (i) => (state.faces.length > 1 ? `Face ${i + 1}: ` : "This face: ") + state.faces[i].notes.join(", ");
  $("notes").textContent = lines.length ? `${lines.map(each).join(". ")}. The drawing may be less like.` : "";
  $("faces").hidden = state.faces.length < 2 && !lines.length;
}

function preview(image) {
  const canvas = $("preview");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  $("marks").replaceChildren();
}

function mark(faces, { width, height }) {
  $("marks").replaceChildren(...faces.map(({ box: [x0, y0, x1, y1] }) => {
    const corner = document.createElement("i");
    const place = { left: x0 / width, top: y0 / height, width: (x1 - x0) / width, height: (y1 - y0) / height };
    for (const [key, share] of Object.entries(place)) corner.style[key] = `${100 * share}%`;
    return corner;
  }));
}

function panel() {
  const redraw = (change) => (value) => {
    change(value);
    panel();
    if (state.faces.length) draw();
  };
  const offered = Object.fromEntries(Object.entries(DIRECTIONS).filter(([name]) =>
    manifest.models.some((model) => model.direction === name)));
  for (const id of ["direction", "direction-welcome"]) {
    segments($(id), offered, state.direction, redraw(choose));
  }
  segments($("view"), { portrait: "Portrait", scene: "Whole picture" }, state.view, redraw((value) => (state.view = value)));
  segments($("background"), { photo: "The photo", paper: "Paper" }, state.background, redraw((value) => (state.background = value)));
  $("background").hidden = state.view !== "scene";
  const names = models().map(({ name }) => name);
  $("model").replaceChildren(...names.map((name) => new Option(name, name, false, name === state.model.name)));
  $("model").onchange = ({ target }) => redraw((value) => {
    state.model = models().find(({ name }) => name === value);
    state.style = Object.keys(state.model.files)[0];
  })(target.value);
  $("model-field").hidden = names.length < 2;
  const styles = Object.fromEntries(Object.keys(state.model.files).map((style) => [style, style]));
  segments($("style"), styles, state.style, redraw((value) => (state.style = value)));
  $("summary").textContent = state.model.summary;
}

/** Draws the page's own example, which also proves that the engine runs here. */
async function example(started) {
  const photo = (await read(await (await fetch("sample.jpg")).blob())).image;
  sample.show(photo, photo, ["Photo", "Sketch"]);
  sample.single(true);
  await started;
  const first = manifest.models.find(({ direction }) => direction === "to_sketch");
  if (!first) return;
  const k = photo.width / 200;
  const start = performance.now();
  const place = [[75 * k, 125 * k], [125 * k, 125 * k]];
  const drawn = pixels(await engine.call("sample", { image: photo, eyes: place, model: inStyle(first, Object.keys(first.files)[0]) }));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  sample.show(photo, await scaled(drawn, photo), ["Photo", "Sketch"]);
  sample.sweep(100, 50, 1600);
  $("sample-note").textContent = `Drawn just now on your device, in ${seconds} seconds. Photo: NASA.`;
}

async function scaled(image, { width, height }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(await createImageBitmap(image), 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

async function start() {
  $("stale").remove();
  manifest = await (await fetch("manifest.json")).json();
  const sketches = manifest.models.find(({ direction }) => direction === "to_sketch");
  choose((sketches ?? manifest.models[0]).direction);
  terms($("terms"), manifest.models);
  $("small").textContent = `, with ${(state.model.parameters / 1e6).toFixed(2)} million numbers`;
  const started = engine.call("start", { bytes: manifest.runtime_bytes, model: model() });
  const shown = example(started).catch((error) => {
    $("sample-note").textContent = `The drawing engine does not start in this browser: ${error.message}.`;
  });
  ready = started.then(() => shown).then(() =>
    engine.call("rest", {
      finder: manifest.finder,
      files: manifest.models.flatMap(({ files }) => Object.values(files)),
    }));
  ready.catch(() => {}); // told when a picture is opened
  await ready;
  document.body.dataset.ready = "";
}

listen($("file"), open);
for (const id of ["choose", "again", "message-choose"]) $(id).addEventListener("click", () => $("file").click());
for (const id of ["take", "take-again"]) $(id).addEventListener("click", () => camera.open());
$("anyway").addEventListener("click", whole);
$("download").addEventListener("click", () => {
  const kind = state.view === "scene" ? "scene" : WORDS[state.direction][1].toLowerCase();
  save(state.shown, `${state.name}-${kind}`);
});
addEventListener("resize", fit);
start().catch((error) => manifest || failed(error));
