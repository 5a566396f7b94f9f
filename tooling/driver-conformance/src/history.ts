/** Histories of requests: made up from a seed, printed for people, and made smaller when they fail. */
import { WriteFlag } from '@blk/core-graph';
import { prng, type Prng } from '@blk/oracle';

export type Step =
  | { readonly verb: 'read'; readonly offset: number; readonly lengths: readonly number[] }
  | {
      readonly verb: 'write';
      readonly offset: number;
      readonly lengths: readonly number[];
      /** Decides the data: see `dataOf`. */
      readonly fill: number;
      readonly flags: number;
    }
  | { readonly verb: 'writeZeroes'; readonly offset: number; readonly length: number; readonly flags: number }
  | { readonly verb: 'discard'; readonly offset: number; readonly length: number }
  | { readonly verb: 'flush' }
  | { readonly verb: 'reopen' }
  | { readonly verb: 'truncate'; readonly size: number }
  /** All begun before any is waited for. */
  | { readonly verb: 'together'; readonly steps: readonly Step[] };

export type History = readonly Step[];

/** What a history may do. */
export interface HistoryPlan {
  readonly size: number;
  readonly steps: number;
  readonly writable: boolean;
  readonly resizable: boolean;
  /** Sizes are multiples of this. */
  readonly sizeGranularity: number;
  /** Writes may pass the end. */
  readonly growable: boolean;
}

/** Longest request, in bytes. */
const LONGEST = 150_000;
const EDGES = [512, 4096, 65536];

/** A history that the generator decides: many small requests at odd places, many around the edges of blocks. */
export function makeHistory(random: Prng, plan: HistoryPlan): History {
  const history: Step[] = [];
  for (let i = 0; i < plan.steps; i++) history.push(makeStep(random, plan));
  return history;
}

/** Data of a write: random bytes, one byte over and over, or random with zeroes between. */
export function dataOf(fill: number, length: number): Uint8Array {
  const random = prng(fill);
  switch (fill % 4) {
    case 0:
      return new Uint8Array(length).fill(random.below(256));
    case 1:
      return new Uint8Array(length);
    case 2: {
      const bytes = random.bytes(length);
      const from = random.below(length);
      return bytes.fill(0, from, from + random.below(70_000));
    }
    default:
      return random.bytes(length);
  }
}

/** The history as lines of text. */
export function printHistory(history: History, indent = '  '): string {
  return history.map((step) => indent + printStep(step, indent)).join('\n');
}

/**
 * The smallest history found that still fails: steps are left out, then made simpler, as long as `fails` says so.
 * Stops after `budget` trials.
 */
export async function minimise(history: History, fails: (history: History) => Promise<boolean>, budget = 250): Promise<History> {
  let smallest = history;
  let trials = budget;
  const attempt = async (candidate: History): Promise<boolean> => {
    if (trials-- <= 0 || !(await fails(candidate))) return false;
    smallest = candidate;
    return true;
  };
  for (let chunk = Math.ceil(smallest.length / 2); chunk >= 1 && trials > 0; chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
    for (let at = 0; at < smallest.length && trials > 0; ) {
      if (!(await attempt([...smallest.slice(0, at), ...smallest.slice(at + chunk)]))) at += chunk;
    }
  }
  for (let at = 0; at < smallest.length; at++) {
    for (let simpler = simplify(smallest[at]); simpler.length > 0 && trials > 0; ) {
      const before = smallest;
      for (const step of simpler) {
        if (await attempt([...before.slice(0, at), step, ...before.slice(at + 1)])) break;
      }
      simpler = smallest === before ? [] : simplify(smallest[at]);
    }
  }
  return smallest;
}

function makeStep(random: Prng, plan: HistoryPlan): Step {
  const dice = random.below(100);
  if (!plan.writable) return dice < 90 ? makeRead(random, plan) : { verb: dice < 95 ? 'flush' : 'reopen' };
  if (dice < 30) return makeRead(random, plan);
  if (dice < 70) return makeWrite(random, plan);
  if (dice < 80) return makeZeroes(random, plan);
  if (dice < 86) return { verb: 'discard', ...makeRange(random, plan.size) };
  if (dice < 90) return { verb: 'flush' };
  if (dice < 93) return { verb: 'reopen' };
  if (dice < 96 && plan.resizable) {
    const size = Math.floor((random.below(plan.size) + plan.size / 2) / plan.sizeGranularity) * plan.sizeGranularity;
    return { verb: 'truncate', size: Math.max(size, plan.sizeGranularity) };
  }
  const steps: Step[] = [];
  const near = { ...plan, size: Math.min(plan.size, 200_000) };
  for (let i = random.below(8) + 2; i > 0; i--) {
    steps.push(random.below(4) === 0 ? makeRead(random, near) : random.below(4) === 0 ? makeZeroes(random, near) : makeWrite(random, near));
  }
  return { verb: 'together', steps };
}

function makeRead(random: Prng, plan: HistoryPlan): Step {
  const { offset, length } = makeRange(random, plan.size);
  return { verb: 'read', offset, lengths: split(random, length) };
}

function makeWrite(random: Prng, plan: HistoryPlan): Step {
  const { offset, length } = makeRange(random, plan.size);
  const beyond = plan.growable && random.below(10) === 0 ? random.below(70_000) : 0;
  const flags = random.below(8) === 0 ? WriteFlag.Fua : 0;
  return { verb: 'write', offset: offset + beyond, lengths: split(random, length), fill: random.below(2 ** 31), flags };
}

function makeZeroes(random: Prng, plan: HistoryPlan): Step {
  const flags = random.pick([0, WriteFlag.MayUnmap, WriteFlag.NoFallback, WriteFlag.MayUnmap | WriteFlag.NoFallback, WriteFlag.Fua]);
  return { verb: 'writeZeroes', ...makeRange(random, plan.size), flags };
}

function makeRange(random: Prng, size: number): { offset: number; length: number } {
  let offset = random.below(size);
  let length = random.below(random.pick([3, 600, 5000, 70_000, LONGEST])) + 1;
  if (random.below(2) === 0) {
    const edge = random.pick(EDGES);
    offset = Math.max(0, Math.floor(offset / edge) * edge + random.pick([0, 0, 0, -1, 1, 511]));
    if (random.below(2) === 0) length = Math.min(edge * (random.below(3) + 1), LONGEST);
  }
  offset = Math.min(offset, size - 1);
  return { offset, length: Math.min(length, size - offset) };
}

/** Mostly one part, at times several: a vectored request. */
function split(random: Prng, length: number): number[] {
  const parts: number[] = [];
  let rest = length;
  while (rest > 1 && random.below(4) === 0) {
    const part = random.below(rest - 1) + 1;
    parts.push(part);
    rest -= part;
  }
  return [...parts, rest];
}

function simplify(step: Step): Step[] {
  switch (step.verb) {
    case 'together':
      return step.steps.length === 1
        ? [...step.steps]
        : step.steps.map((_, leave) => ({ verb: 'together', steps: step.steps.filter((_, i) => i !== leave) }));
    case 'read':
    case 'write': {
      const length = step.lengths.reduce((sum, part) => sum + part, 0);
      const simpler: Step[] = step.lengths.length > 1 ? [{ ...step, lengths: [length] }] : [];
      if (step.verb === 'write' && step.flags !== 0) simpler.push({ ...step, flags: 0 });
      return [...simpler, ...ranges(step.offset, length).map(([offset, shorter]) => ({ ...step, offset, lengths: [shorter] }))];
    }
    case 'writeZeroes':
    case 'discard':
      return ranges(step.offset, step.length).map(([offset, length]) => ({ ...step, offset, length }));
    default:
      return [];
  }
}

function ranges(offset: number, length: number): [number, number][] {
  const half = Math.floor(length / 2);
  return half === 0 ? [] : [[offset, half], [offset + half, length - half], [offset, length - 1]];
}

function printStep(step: Step, indent: string): string {
  switch (step.verb) {
    case 'together':
      return `together {\n${printHistory(step.steps, `${indent}  `)}\n${indent}}`;
    case 'read':
      return `read ${step.offset} +${step.lengths.join('+')}`;
    case 'write':
      return `write ${step.offset} +${step.lengths.join('+')} fill ${step.fill}${printFlags(step.flags)}`;
    case 'writeZeroes':
      return `writeZeroes ${step.offset} +${step.length}${printFlags(step.flags)}`;
    case 'discard':
      return `discard ${step.offset} +${step.length}`;
    case 'truncate':
      return `truncate ${step.size}`;
    default:
      return step.verb;
  }
}

function printFlags(flags: number): string {
  const names = Object.entries(WriteFlag).filter(([, bit]) => bit !== 0 && (flags & bit) !== 0);
  return names.length === 0 ? '' : ` ${names.map(([name]) => name).join('|')}`;
}
