/**
 * The proof that a flush which failed is made good by the next: each of the changes that it makes on the disk fails in turn. After
 * the next flush the power is cut, and all that was written is there.
 */
import { expectSameBytes } from './same-bytes.js';
import { MemoryDisk, type DiskOperation } from './memory-disk.js';
import { readAll } from './format-bench.js';
import type { PowerCutSubject } from './power-cuts.js';
import { recorder } from './recorder.js';

/** A write of bytes that are all the same. */
export type Fill = readonly [offset: number, length: number, value: number];

export interface FlushAgainPlan {
  /** What is written and flushed first, one session for each; the image is opened anew after it. */
  readonly before: readonly Fill[];
  /** What is written before the flush that fails. */
  readonly then: readonly Fill[];
}

/** Throws where something is lost. Gives back how many changes such a flush makes. */
export async function proveFlushAgain(subject: PowerCutSubject, disk: MemoryDisk, { before, then }: FlushAgainPlan): Promise<number> {
  const write = async (on: MemoryDisk, fills: readonly Fill[], body: (flush: () => Promise<void>) => Promise<void>): Promise<void> => {
    const node = await subject.open(on, false);
    for (const [offset, length, value] of fills) await node.write(offset, new Uint8Array(length).fill(value), 0, length);
    await body(async () => node.flush());
    await subject.release(node);
  };
  for (const fill of before) await write(disk, [fill], (flush) => flush());
  const reader = await subject.open(disk, true);
  const model = await readAll(reader);
  await subject.release(reader);
  for (const [offset, length, value] of then) model.fill(value, offset, offset + length);
  for (let failing = 0; ; failing++) {
    const left = new MemoryDisk({ content: disk.toBytes() });
    const recording = recorder(left);
    let failed = false;
    let moment = 0;
    await write(left, then, async (flush) => {
      let count = 0;
      const tap = left.use({ before: ({ verb }: DiskOperation) => {
        if (verb === 'read' || count++ !== failing) return;
        failed = true;
        throw Object.assign(new Error('no answer'), { code: 'EIO' });
      } });
      const error = await flush().then(() => undefined, (reason: unknown) => reason);
      if (failed && error === undefined) throw new Error(`The flush tells nothing of its change ${failing} that failed`);
      if (!failed && error !== undefined) throw error as Error;
      left.remove(tap);
      await flush();
      moment = recording.now;
    });
    const cut = recording.cut(moment);
    const again = await subject.open(cut, true);
    expectSameBytes(await readAll(again), model, `change ${failing} of the flush failed`);
    await subject.release(again);
    await subject.look?.(cut, 'cut');
    if (!failed) return failing;
  }
}
