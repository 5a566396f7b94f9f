/** Writes that come in one turn of the event loop and follow one another in the file: one request. */

/** Longest request, in bytes, and the most buffers in it. */
const LONGEST = 4 * 1024 * 1024;
const MOST = 256;

interface Batch {
  readonly offset: number;
  length: number;
  readonly buffers: Uint8Array[];
  readonly done: Promise<void>;
}

export class Gather {
  #open: Batch | undefined;

  /** `send` writes buffers one behind the other; it is called when the turn's work is done. */
  constructor(private readonly send: (offset: number, buffers: readonly Uint8Array[], length: number) => Promise<void>) {}

  write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const part = buffer.subarray(start, start + length);
    const open = this.#open;
    if (open !== undefined && open.offset + open.length === offset && open.length + length <= LONGEST && open.buffers.length < MOST) {
      open.buffers.push(part);
      open.length += length;
      return open.done;
    }
    const buffers = [part];
    const done = new Promise<void>((resolve, reject) => {
      // Behind all promises that are ready: whoever writes several ranges at once has asked for the last one by then.
      process.nextTick(() => {
        if (this.#open === batch) this.#open = undefined;
        this.send(offset, buffers, batch.length).then(resolve, reject);
      });
    });
    const batch: Batch = { offset, length, buffers, done };
    this.#open = batch;
    return done;
  }
}
