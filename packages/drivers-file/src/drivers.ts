/** The driver values `file` and `host_device`. */
import { stat as statCallback } from 'node:fs';
import { promisify } from 'node:util';
import { defineDriver, type BlockDriver, type OptionTable } from '@blk/core-graph';
import { createOnDevice, createOptions, createRegular, removeRegular, type FileCreateOptions } from './create.js';
import { Engines } from './engines.js';
import { loadKoffi } from './native/koffi.js';
import type { NativeLoader } from './native/native.js';
import { isDevice, openDevice, openRegular, type FileOptions } from './open.js';

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

/** Both drivers, sharing one account of work on the event loop. */
export interface FileDrivers {
  readonly file: BlockDriver;
  readonly hostDevice: BlockDriver;
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
  const hostDevice = defineDriver<FileOptions, FileCreateOptions>({
    name: 'host_device',
    role: 'protocol',
    options,
    changeable: ['aio', 'drop-cache', 'aio-max-batch'],
    schemes: ['host_device'],
    parseFilename: (filename) => ({ filename: withoutScheme('host_device', filename) }),
    probePath: async (path) => ((await stat(path).then(isDevice, () => false)) ? 100 : 0),
    open: (given, context) => openDevice(given, context, engines),
    createOptions,
    createFile: (filename, given) => createOnDevice(withoutScheme('host_device', filename), given),
  });
  return { file, hostDevice };
}

function withoutScheme(scheme: string, filename: string): string {
  return filename.startsWith(`${scheme}:`) ? filename.slice(scheme.length + 1) : filename;
}
