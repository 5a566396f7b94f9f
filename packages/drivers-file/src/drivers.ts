/** The driver values `file`, `host_device`, `host_cdrom` and `host_floppy`. */
import { stat as statCallback, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { defineDriver, type BlockDriver, type OptionTable } from '@blk/core-graph';
import { createOnDevice, createOptions, createRegular, removeRegular, type FileCreateOptions } from './create.js';
import { Engines } from './engines.js';
import { deviceNumbers } from './host-file.js';
import { loadKoffi } from './native/koffi.js';
import type { NativeLoader } from './native/native.js';
import { isDevice, openDevice, openRegular, type DeviceKind, type FileOptions } from './open.js';

const stat = promisify(statCallback);

const options: OptionTable = {
  filename: { type: 'string' },
  locking: { type: ['auto', 'on', 'off'] },
  aio: { type: ['threads', 'native', 'io_uring'] },
};

export interface FileDriversOptions {
  /**
   * Where the system calls that Node lacks come from. Left out: from the optional package koffi, if it is installed;
   * false: from nowhere, Node alone does everything.
   */
  readonly native?: NativeLoader | false;
  /**
   * The text of `/proc/locks`, asked for while the program was still being loaded: the kernel may take 20 ms to give it. What
   * is opened without `noIo` looks for itself. Left out, or with the result undefined: read when an image is opened.
   */
  readonly lockList?: Promise<string | undefined>;
}

/** All the drivers, sharing one account of work on the event loop. */
export interface FileDrivers {
  readonly file: BlockDriver;
  readonly hostDevice: BlockDriver;
  readonly hostCdrom: BlockDriver;
  readonly hostFloppy: BlockDriver;
  /** Starts the threads that copy from file to file, for whoever knows that there will be much to copy: they start by themselves when there is. */
  readonly prepareCopies: () => void;
}

export function fileDrivers({ native = loadKoffi, lockList }: FileDriversOptions = {}): FileDrivers {
  const engines = new Engines(native === false ? async () => undefined : native, lockList);
  const file = defineDriver<FileOptions, FileCreateOptions>({
    name: 'file',
    role: 'protocol',
    options,
    changeable: ['aio', 'drop-cache', 'aio-max-batch'],
    schemes: ['file'],
    parseFilename: (filename) => ({ filename: withoutScheme('file', filename) }),
    // Every path may be a file; devices have a driver that is surer.
    probePath: () => 50,
    open: (given, context) => openRegular(given, context, engines),
    createOptions,
    createFile: (filename, given, context) => createRegular(withoutScheme('file', filename), given, context, engines),
    removeFile: (filename) => removeRegular(withoutScheme('file', filename)),
  });
  /** A driver for devices; `suits` says how well for one that is there. */
  const device = (kind: DeviceKind, suits: (path: string, stats: Stats) => number): BlockDriver =>
    defineDriver<FileOptions, FileCreateOptions>({
      name: kind.name,
      role: 'protocol',
      options,
      changeable: ['aio', 'drop-cache', 'aio-max-batch'],
      schemes: [kind.name],
      parseFilename: (filename) => ({ filename: withoutScheme(kind.name, filename) }),
      probePath: async (path) => {
        const stats = await stat(path).catch(() => undefined);
        return stats === undefined || !isDevice(stats) ? 0 : suits(path, stats);
      },
      open: (given, context) => openDevice(kind, given, context, engines),
      createOptions,
      createFile: (filename, given) => createOnDevice(kind, withoutScheme(kind.name, filename), given, engines),
    });
  // A drive whose media are changed is a device as well, but has a driver that is surer.
  const hostDevice = device({ name: 'host_device' }, () => 90);
  const hostCdrom = device({ name: 'host_cdrom', drive: 'cdrom' }, (path, stats) => (isDrive(path, stats, CDROM) ? 100 : 0));
  const hostFloppy = device({ name: 'host_floppy', drive: 'floppy' }, (path, stats) => (isDrive(path, stats, FLOPPY) ? 100 : 0));
  return { file, hostDevice, hostCdrom, hostFloppy, prepareCopies: () => { engines.copies.prepare(); } };
}

/** A kind of drive: the major number of its devices (Linux's list of allocated devices), and their usual names. */
const CDROM = { major: 11, names: /^\/dev\/(?:cdrom|cdrw|dvd|dvdrw|sr|scd)\d*$/ };
const FLOPPY = { major: 2, names: /^\/dev\/(?:fd|floppy)\d*$/ };

function isDrive(path: string, stats: Stats, { major, names }: typeof CDROM): boolean {
  return stats.isBlockDevice() && (names.test(path) || Number(deviceNumbers(BigInt(stats.rdev)).major) === major);
}

function withoutScheme(scheme: string, filename: string): string {
  return filename.startsWith(`${scheme}:`) ? filename.slice(scheme.length + 1) : filename;
}
