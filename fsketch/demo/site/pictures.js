// Pictures in: files, drops and pastes.  Pictures out: PNG files.

const MOST = 16e6; // pixels in hand; larger pictures are made smaller (phones have no more memory)

/** A problem that the reader can mend: a headline, and what to do. */
export class Refused extends Error {
  constructor(title, text) {
    super(text);
    this.title = title;
  }
}

/** File or Blob -> {name, image: ImageData}, upright by its EXIF, alpha laid on white. */
export async function read(file) {
  const name = file.name || "picture";
  if (!file.size) throw new Refused("This file is empty", `${name} has no content.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    const heic = /\.hei[cf]$/i.test(name) || /hei[cf]/.test(file.type);
    throw new Refused(
      "This file cannot be opened",
      heic
        ? `${name} is a HEIC photo, which only Safari opens. Save it as JPEG and try again.`
        : `${name} is no picture that this browser knows, or it is damaged. JPEG, PNG and WebP work everywhere.`,
    );
  }
  const scale = Math.min(1, Math.sqrt(MOST / (bitmap.width * bitmap.height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { name: name.replace(/\.\w+$/, ""), image: context.getImageData(0, 0, canvas.width, canvas.height) };
}

/** Calls taken(files) for every way a file comes in. */
export function listen(input, taken) {
  input.addEventListener("change", () => {
    if (input.files.length) taken([...input.files]);
    input.value = ""; // the same file again is a change
  });
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) taken(files);
  });
  let depth = 0; // enter and leave come for every element on the way
  const over = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => event.dataTransfer.types.includes("Files") && over(1));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(0);
    const files = [...event.dataTransfer.files];
    if (files.length) taken(files);
  });
}

/** Hands an image to the browser as NAME.png. */
export async function save(image, name) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}

/** Images of one size side by side, in rows of up to `columns`, on white. */
export function sheet(images, columns) {
  if (images.length === 1) return images[0];
  const gap = 12;
  const [{ width, height }] = images;
  const across = Math.min(columns, images.length);
  const canvas = document.createElement("canvas");
  canvas.width = across * (width + gap) - gap;
  canvas.height = Math.ceil(images.length / across) * (height + gap) - gap;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  images.forEach((image, i) => {
    context.putImageData(image, (i % across) * (width + gap), Math.floor(i / across) * (height + gap));
  });
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
