// The page's side of the worker.  A worker made from a blob inherits this document's policy
// (Content-Security-Policy), so that its code, too, cannot reach another machine.

export class Engine {
  /** progress({words, share}): what is being done; share 0..1 or undefined. */
  constructor(progress) {
    const code = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    this.waiting = new Map();
    this.count = 0;
    const blob = new Blob([code], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(blob), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => {
      if (data.progress) return progress(data.progress);
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.result);
    });
    this.worker.addEventListener("error", (event) => {
      const error = new Error(event.message || "its program could not be loaded");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
      this.broken = error;
    });
  }

  /** Calls a function of worker.js. */
  call(name, args = {}, transfer = []) {
    if (this.broken) return Promise.reject(this.broken);
    const id = ++this.count;
    this.worker.postMessage({ id, name, args }, transfer);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}
