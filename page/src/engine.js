// The page's side of the worker: calls, their progress, and cancelling.

/** A call that ended with an error; the kinds are keys of TEXT.errors, or "cancelled". */
export class Trouble extends Error {
  /**
   * @param {string} kind
   * @param {string} [words]
   */
  constructor(kind, words = kind) {
    super(words);
    this.kind = kind;
  }
}

/** @typedef {import("./worker.js").Jobs} Jobs */

export class Engine {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Map<number, {resolve: (x: any) => void, reject: (error: Trouble) => void, progress: (share: number) => void}>} */
  #calls = new Map();
  #count = 0;
  /** @type {Promise<void> | undefined} */
  #started;

  /**
   * @param {Promise<Record<string, ArrayBuffer>>} files  what loadNetwork takes
   * @param {number} threads
   */
  constructor(files, threads) {
    this.files = files;
    this.threads = threads;
  }

  /**
   * Run a job in the worker, which is started when it is first needed.
   * @template {keyof Jobs} Name
   * @param {Name} job
   * @param {Parameters<Jobs[Name]>[0]} argument
   * @param {(share: number) => void} [progress]
   * @returns {Promise<Awaited<ReturnType<Jobs[Name]>>>}
   */
  async call(job, argument, progress = () => {}) {
    await this.start();
    return this.#send(job, argument, progress);
  }

  /** Start the worker and load the network, unless that has been done. */
  async start() {
    this.#started ??= this.#load();
    try {
      await this.#started;
    } catch (error) {
      this.#started = undefined;
      throw error;
    }
  }

  /** Whether the network is loaded. */
  ready = false;

  /** Stop what is running, at once; the worker forgets all photos. */
  cancel() {
    this.#end(new Trouble("cancelled"));
  }

  async #load() {
    const files = await this.files.catch((error) => {
      throw new Trouble("network", String(error));
    });
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data: { id, share, result, trouble } }) => {
      const call = this.#calls.get(id);
      if (!call) return;
      if (share !== undefined) return call.progress(share);
      this.#calls.delete(id);
      if (trouble) call.reject(new Trouble(trouble.kind, trouble.words));
      else call.resolve(result);
    };
    // A worker that runs out of memory may end without an answer.
    worker.onerror = (event) => this.#end(new Trouble("unknown", event.message));
    await this.#send("load", { files, threads: this.threads }, () => {});
    this.ready = true;
  }

  /** @param {Trouble} trouble */
  #end(trouble) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#started = undefined;
    this.ready = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls) reject(trouble);
  }

  /**
   * @param {string} job
   * @param {unknown} argument
   * @param {(share: number) => void} progress
   * @returns {Promise<any>}
   */
  #send(job, argument, progress) {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject, progress });
      this.#worker?.postMessage({ id, job, argument });
    });
  }
}
