// The drawing engine: ONNX Runtime Web on one thread, the manifest, and the nets it names.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";

const HERE = new URL("./", import.meta.url);

/** Fetches a file of this page; grew(bytes) is called as it arrives. */
async function file(path, grew = () => {}) {
  const answer = await fetch(new URL(path, HERE));
  if (!answer.ok) throw new Error(`${path} is missing on this server (${answer.status})`);
  const reader = answer.body.getReader();
  const parts = [];
  for (let got = await reader.read(); !got.done; got = await reader.read()) {
    parts.push(got.value);
    grew(got.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Loads the runtime; progress(share of its bytes). */
export async function start(bytes, progress) {
  let loaded = 0;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await file("runtime/ort-wasm-simd-threaded.wasm", (more) => {
    loaded += more;
    progress(Math.min(1, loaded / bytes));
  });
}

/** A net of the folder models/; feeds and results: {name: ort.Tensor}. */
export async function net(name) {
  return ort.InferenceSession.create(await file(`models/${name}`), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
}

export function floats(data, ...dims) {
  return new ort.Tensor("float32", data, dims);
}

export function bytes(data, ...dims) {
  return new ort.Tensor("uint8", data, dims);
}
