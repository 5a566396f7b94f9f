/** Running a history on a driver and on an array of bytes, and finding where they part. */
import { BlockError, WriteFlag, type BlockNode, type Completion } from '@blk/core-graph';
import { dataOf, type History, type Step } from './history.js';
import type { Rig } from './rig.js';
import { expectSameBytes } from './same-bytes.js';
import { checkExtents } from './check-extents.js';

/** What buffers hold around what a request may touch, and what written ones hold once they are ours again. */
const CANARY = 0xc5;
const POISON = 0xee;

/** Runs the history, then compares everything. Throws where the image is not what the array is. */
export async function runHistory(rig: Rig, history: History, forgets: boolean): Promise<void> {
  const kept: [Uint8Array, Uint8Array][] = [];
  for (const step of history) await runStep(rig, step, kept, forgets);
  await checkAll(rig);
  for (const [buffer, copy] of kept) expectSameBytes(buffer, copy, 'buffer touched after its read was over');
  await checkExtents(rig);
  await rig.close();
  await rig.open();
  await checkAll(rig);
}

/** Reads all of the image and compares. */
export async function checkAll(rig: Rig): Promise<void> {
  allowPadding(rig);
  if (rig.node.size !== rig.model.size) throw new Error(`size is ${rig.node.size} instead of ${rig.model.size}`);
  await read(rig, 0, [rig.model.size]);
}

/** A write past the end of an image that takes whole blocks only extends it to the end of its last block. */
function allowPadding({ node, model, shift }: Rig): void {
  const { alignment } = lowest(node).limits;
  if (node.size === Math.ceil((model.size + shift) / alignment) * alignment - shift) model.resize(node.size);
}

/** The node behind the filters. */
function lowest(node: BlockNode): BlockNode {
  const { storage } = node;
  return storage?.role === 'filtered' ? lowest(storage.node) : node;
}

/** Reads a range into canaried buffers and compares it with the model. */
async function read(rig: Rig, offset: number, lengths: readonly number[]): Promise<Uint8Array[]> {
  const buffers = await readRaw(rig, offset, lengths);
  const actual = Buffer.concat(buffers);
  rig.model.settle(offset, actual);
  expectSameBytes(actual, rig.model.expected(offset, actual.length), `read ${offset} +${lengths.join('+')}`);
  return buffers;
}

async function readRaw(rig: Rig, offset: number, lengths: readonly number[]): Promise<Uint8Array[]> {
  const pad = 16;
  const outer = lengths.map((length) => new Uint8Array(length + 2 * pad).fill(CANARY));
  const inner = outer.map((buffer) => buffer.subarray(pad, buffer.length - pad));
  const [first] = lengths;
  await settle(() => (lengths.length === 1 ? rig.node.read(offset, outer[0], pad, first) : rig.node.readv(offset, inner)));
  for (const buffer of outer) {
    for (const edge of [buffer.subarray(0, pad), buffer.subarray(buffer.length - pad)]) {
      if (edge.some((byte) => byte !== CANARY)) throw new Error(`read ${offset} +${lengths.join('+')} wrote outside its buffer`);
    }
  }
  return inner;
}

async function runStep(rig: Rig, step: Step, kept: [Uint8Array, Uint8Array][], forgets: boolean): Promise<void> {
  const { node, model } = rig;
  switch (step.verb) {
    case 'read':
      for (const buffer of await read(rig, step.offset, step.lengths)) kept.push([buffer, buffer.slice()]);
      return;
    case 'write': {
      const { bytes } = await write(rig, step);
      if (bytes !== undefined && !forgets) model.write(step.offset, bytes);
      return;
    }
    case 'writeZeroes': {
      const outcome = await writeZeroes(rig, step);
      if (forgets || outcome === 'refused') return;
      if (outcome === 'done') model.zero(step.offset, step.length);
      else model.forget(step.offset, step.length);
      return;
    }
    case 'discard': {
      const { offset } = step;
      const length = Math.min(step.length, model.size - offset);
      await settle(() => node.discard(offset, step.length));
      if (node.discardEnabled && node.driver.discard !== undefined && length > 0) model.forget(offset, length);
      return;
    }
    case 'flush':
      await settle(() => node.flush());
      return;
    case 'reopen':
      await rig.close();
      await rig.open();
      return;
    case 'truncate':
      await truncate(rig, step.size);
      return;
    case 'together':
      await together(rig, step.steps, forgets);
  }
}

/** The bytes written, or undefined where the request was rightly refused. */
async function write(rig: Rig, step: Step & { verb: 'write' }): Promise<{ bytes: Uint8Array | undefined }> {
  const { node } = rig;
  const length = step.lengths.reduce((sum, part) => sum + part, 0);
  const bytes = dataOf(step.fill, length);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const part of step.lengths) parts.push(bytes.slice(at, (at += part)));
  const refused = await outcome(rig, step.offset + length, () =>
    parts.length === 1 ? node.write(step.offset, parts[0], 0, length, step.flags) : node.writev(step.offset, parts, step.flags),
  );
  let from = 0;
  for (const part of parts) {
    expectSameBytes(part, bytes.subarray(from, (from += part.length)), 'buffer changed by its own write');
    part.fill(POISON);
  }
  return { bytes: refused ? undefined : bytes };
}

async function writeZeroes(rig: Rig, step: Step & { verb: 'writeZeroes' }): Promise<'done' | 'refused' | 'partly'> {
  const { offset, length, flags } = step;
  try {
    return (await outcome(rig, offset + length, () => rig.node.writeZeroes(offset, length, flags))) ? 'refused' : 'done';
  } catch (error) {
    const mayRefuse = (flags & WriteFlag.NoFallback) !== 0 && error instanceof BlockError && error.kind === 'unsupported';
    if (mayRefuse) return 'partly';
    throw error;
  }
}

/** Whether the request was refused because it passes the end; throws where it was refused wrongly, or wrongly was not. */
async function outcome(rig: Rig, end: number, request: () => Completion): Promise<boolean> {
  const outside = end > rig.node.size && rig.node.driver.growable !== true;
  try {
    await settle(request);
  } catch (error) {
    if (outside && error instanceof BlockError && error.kind === 'out-of-range') return true;
    throw error;
  }
  if (outside) throw new Error(`a request up to ${end} passed the end at ${rig.node.size}, and was not refused`);
  return false;
}

async function truncate(rig: Rig, size: number): Promise<void> {
  allowPadding(rig);
  try {
    await rig.node.truncate(size, { preallocation: 'off', shrink: true });
  } catch (error) {
    if (error instanceof BlockError && (error.kind === 'unsupported' || error.kind === 'invalid-argument')) return;
    throw error;
  }
  rig.model.resize(size);
}

/** What one request would put somewhere; `certain` where it was done rather than refused. */
interface Candidate {
  readonly offset: number;
  readonly bytes: Uint8Array;
  certain: boolean;
}

/** Overlapping requests at the same time: each byte is then one of those that were asked for. */
async function together(rig: Rig, steps: readonly Step[], forgets: boolean): Promise<void> {
  const { model } = rig;
  await read(rig, 0, [model.size]);
  const candidates: Candidate[] = [];
  const reads: { offset: number; actual: Uint8Array }[] = [];
  await Promise.all(
    steps.map(async (step) => {
      if (step.verb === 'write') {
        const length = step.lengths.reduce((sum, part) => sum + part, 0);
        const certain = step.offset + length <= model.size || rig.node.driver.growable === true;
        if (!forgets) candidates.push({ offset: step.offset, bytes: dataOf(step.fill, length), certain });
        await write(rig, step);
      } else if (step.verb === 'writeZeroes') {
        const candidate = { offset: step.offset, bytes: new Uint8Array(step.length), certain: true };
        if (!forgets) candidates.push(candidate);
        candidate.certain = (await writeZeroes(rig, step)) === 'done';
      } else if (step.verb === 'read') {
        reads.push({ offset: step.offset, actual: Buffer.concat(await readRaw(rig, step.offset, step.lengths)) });
      }
    }),
  );
  for (const { offset, actual } of reads) checkCandidates(model.expected(offset, actual.length), offset, actual, candidates, false);
  const actual = Buffer.concat(await readRaw(rig, 0, [rig.node.size]));
  const before = model.expected(0, actual.length);
  checkCandidates(before, 0, actual, candidates, true);
  model.resize(actual.length);
  model.write(0, actual);
}

function checkCandidates(
  before: Uint8Array,
  offset: number,
  actual: Uint8Array,
  candidates: readonly Candidate[],
  finished: boolean,
): void {
  const right = new Uint8Array(actual.length);
  const overwritten = new Uint8Array(actual.length);
  for (const { offset: at, bytes, certain } of candidates) {
    const from = Math.max(at, offset);
    const to = Math.min(at + bytes.length, offset + actual.length);
    for (let i = from; i < to; i++) if (bytes[i - at] === actual[i - offset]) right[i - offset] = 1;
    if (certain && finished && from < to) overwritten.fill(1, from - offset, to - offset);
  }
  for (let i = 0; i < actual.length; i++) {
    if (right[i] === 1 || (overwritten[i] === 0 && actual[i] === before[i])) continue;
    const at = offset + i;
    const written = candidates.filter((one) => at >= one.offset && at < one.offset + one.bytes.length);
    throw new Error(
      `${finished ? 'after' : 'during'} requests at the same time, byte ${at} is ${actual[i]}: neither ` +
        [`${before[i]} as before`, ...written.map((one) => `${one.bytes[at - one.offset]} as written at ${one.offset}`)].join(' nor '),
    );
  }
}

/** A completion as a promise, whether it throws or rejects. */
export async function settle(request: () => Completion): Promise<void> {
  const done = request();
  if (done !== undefined) await done;
}
