// The camera dialog: a live picture, one photo of it, or a plain word why there is none.

const WHY = {
  NotAllowedError: "The browser may not use the camera. Allow it in the address bar, or choose a photo instead.",
  NotFoundError: "No camera found on this device. Choose a photo instead.",
  NotReadableError: "The camera is in use by another program.",
};

export class Camera {
  /** taken(blob): called with the photo. */
  constructor(dialog, taken) {
    const part = (id) => dialog.querySelector(id);
    [this.dialog, this.video, this.note, this.shoot] = [dialog, part("#video"), part("#camera-note"), part("#shoot")];
    this.asked = this.note.textContent;
    part("#camera-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.off());
    this.shoot.addEventListener("click", async () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [this.video.videoWidth, this.video.videoHeight];
      canvas.getContext("2d").drawImage(this.video, 0, 0);
      dialog.close();
      const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
      taken(new File([blob], "camera.png", { type: "image/png" }));
    });
  }

  async open() {
    this.shoot.disabled = true;
    this.note.textContent = "Waiting for the camera …";
    this.dialog.showModal();
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "Insecure");
      const size = { width: { ideal: 1280 }, height: { ideal: 960 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", ...size } });
      this.stream = stream;
      if (!this.dialog.open) return this.off();
      this.video.srcObject = stream;
      await this.video.play();
      this.note.textContent = this.asked;
      this.shoot.disabled = false;
      this.shoot.focus();
    } catch (error) {
      const insecure = "Browsers give the camera only to pages from this machine or over https.";
      this.note.textContent = error.name === "Insecure" ? insecure : WHY[error.name] ?? `The camera does not start: ${error.message}`;
    }
  }

  off() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }
}
