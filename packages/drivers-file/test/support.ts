/** What the tests of this package share: both ways to run the drivers, files, devices, graphs. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { platformHost, type CreateContext, BlockGraph, BufferPool } from '@blk/core-graph';
import { fileDrivers, type FileDrivers } from '../src/index.js';
import { loadKoffi } from '../src/native/koffi.js';
import type { Native } from '../src/native/native.js';

/** The drivers as they are with and without the native helper. */
export const MODES: readonly { readonly mode: string; readonly native: boolean; readonly drivers: () => FileDrivers }[] = [
  { mode: 'with the native helper', native: true, drivers: () => fileDrivers() },
  { mode: 'without the native helper', native: false, drivers: () => fileDrivers({ native: false }) },
];

/** The helper; these tests run where it is installed. */
export async function needNative(): Promise<Native> {
  const native = await loadKoffi();
  if (native === undefined) throw new Error('koffi is not installed');
  return native;
}

export function graphOf({ file, hostDevice }: FileDrivers): BlockGraph {
  return new BlockGraph({ drivers: [file, hostDevice] });
}

export const createContext = (): CreateContext => ({
  file: () => {
    throw new Error('nothing here is made of two files');
  },
  image: () => {
    throw new Error('nothing here names another image');
  },
  pool: new BufferPool(),
  host: platformHost,
  signal: undefined,
  secret: () => {
    throw new Error('no secrets');
  },
});

/** Makes a loop device on a file; it goes away with `using`. */
export function loopDevice(backing: string, ...options: string[]): Disposable & { readonly path: string } {
  const path = execFileSync('losetup', ['--find', '--show', ...options, backing], { encoding: 'utf8' }).trim();
  return {
    path,
    [Symbol.dispose]: () => { execFileSync('losetup', ['--detach', path]); },
  };
}

/** Why tests that need root and loop devices are skipped; empty when they are not. */
export function withoutLoop(): string {
  if (process.getuid?.() !== 0) return 'not root';
  try {
    execFileSync('losetup', ['--find'], { stdio: 'ignore' });
    return '';
  } catch {
    return 'no loop devices';
  }
}

/** `name`, with the reason behind it why it is skipped. */
export const titled = (name: string, reason: string): string => (reason === '' ? name : `${name} (skipped: ${reason})`);

/** Descriptors of this process on files below `folder`. */
export function openDescriptors(folder: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}
