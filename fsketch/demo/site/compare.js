// A before/after slider: two canvases in a mount.  Keyboard and screen readers use a range input;
// mouse and fingers move the line directly (a range on iOS moves by its thumb only).

export class Compare {
  /** @param {HTMLElement} root an empty element  @param {string} label of the range input */
  constructor(root, label) {
    this.root = root;
    root.innerHTML = `<div class="window"><canvas role="img"></canvas><canvas role="img"></canvas>
      <span class="side left"></span><span class="side right"></span><div class="line"></div>
      <input type="range" min="0" max="100" value="50" step="1"></div>`;
    this.window = root.querySelector(".window");
    [this.before, this.after] = root.querySelectorAll("canvas");
    this.sides = root.querySelectorAll(".side");
    this.range = root.querySelector("input");
    this.range.setAttribute("aria-label", label);
    this.range.addEventListener("input", () => this.move(Number(this.range.value)));
    this.window.addEventListener("pointerdown", (event) => {
      this.stop();
      this.window.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    this.window.addEventListener("pointermove", (event) => {
      if (this.window.hasPointerCapture(event.pointerId)) this.follow(event);
    });
  }

  /** Shows two pictures of one size; names: words for them, first the one on the left. */
  show(before, after, names) {
    this.single(false);
    for (const [canvas, image] of [[this.before, before], [this.after, after]]) {
      canvas.width = image.width;
      canvas.height = image.height;
      canvas.getContext("2d").putImageData(image, 0, 0);
    }
    this.names(names);
  }

  /** Only the first picture, without a line. */
  single(only) {
    this.root.classList.toggle("single", only);
    this.after.hidden = only;
  }

  names([before, after]) {
    this.before.setAttribute("aria-label", before);
    this.after.setAttribute("aria-label", after);
    [this.sides[0].textContent, this.sides[1].textContent] = [before, after];
    this.words = [before, after];
    this.move(Number(this.range.value));
  }

  move(percent) {
    const at = Math.min(100, Math.max(0, percent));
    this.range.value = at;
    this.root.style.setProperty("--at", `${at}%`);
    if (this.words) {
      const shown = `${Math.round(at)} % ${this.words[0]}, ${Math.round(100 - at)} % ${this.words[1]}`;
      this.range.setAttribute("aria-valuetext", shown);
    }
    this.sides[0].style.opacity = at > 22 ? 1 : 0;
    this.sides[1].style.opacity = at < 78 ? 1 : 0;
  }

  follow(event) {
    const { left, width } = this.window.getBoundingClientRect();
    this.move((100 * (event.clientX - left)) / width);
  }

  /** Moves the line by itself, once; a touch ends it. */
  sweep(from, to, milliseconds) {
    this.stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.move(to);
    const start = performance.now();
    const step = (now) => {
      const t = Math.min(1, (now - start) / milliseconds);
      this.move(from + (to - from) * (1 - (1 - t) ** 3));
      this.moving = t < 1 ? requestAnimationFrame(step) : 0;
    };
    this.moving = requestAnimationFrame(step);
  }

  stop() {
    cancelAnimationFrame(this.moving);
  }
}
