// The page's side of the worker: one request at a time, which can be stopped.

export class Engine {
  /** @param onDevice called with the name of what computes, once it is known. */
  constructor(onDevice) {
    this.onDevice = onDevice;
    this.start();
  }

  /**
   * @param message as worker.js says.
   * @param onProgress called with the share that is done.
   * @returns {Promise} the result; null if it was stopped.
   */
  request(message, onProgress = () => {}) {
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject, onProgress };
      this.worker.postMessage(message);
    });
  }

  /** Ends what is computed. */
  stop() {
    this.worker.terminate();
    this.settle("resolve", null);
    this.start();
  }

  start() {
    // A worker of a blob, unlike one of a file, is bound by the page's policy: no other host.
    const source = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(url, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.received(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.settle("reject", new Error(event.message || "A file of this page can't be loaded"));
    });
  }

  received({ kind, ...data }) {
    if (kind === "device") this.onDevice(data.device);
    if (kind === "progress") this.pending?.onProgress(data.share);
    if (kind === "done") this.settle("resolve", data.result);
    if (kind === "failed") this.settle("reject", new Error(data.message));
  }

  settle(how, value) {
    this.pending?.[how](value);
    this.pending = null;
  }
}
