/** Reading and writing the guest's data where it lies: plainly, or through the encryption of the image. */
import type { Completion } from '@blk/core-graph';
import type { Qcow2Image } from './qcow2-image.js';

/** Fills `buffer[start, start + length)` with what lies at `host` in the data file, which the guest sees at `guest`. */
export function readData(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion {
  if (image.file.node.listens) return readTold(image, host, guest, buffer, start, length);
  return readQuietly(image, host, guest, buffer, start, length);
}

async function readTold(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  await image.file.event('read_aio');
  await readQuietly(image, host, guest, buffer, start, length);
}

function readQuietly(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { data, encryption } = image;
  if (encryption === undefined) return data.read(host, buffer, start, length);
  return encryption.read(data, host, guest, buffer, start, length);
}

export function writeData(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion {
  if (image.file.node.listens) return writeTold(image, host, guest, buffer, start, length);
  return writeQuietly(image, host, guest, buffer, start, length);
}

async function writeTold(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  await image.file.event('write_aio');
  await writeQuietly(image, host, guest, buffer, start, length);
}

function writeQuietly(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { data, encryption } = image;
  if (encryption === undefined) return data.write(host, buffer, start, length);
  return encryption.write(data, host, guest, buffer, start, length, image.pool);
}

/** Several buffers, one behind the other. */
export async function writeParts(image: Qcow2Image, host: number, guest: number, parts: readonly Uint8Array[]): Promise<void> {
  if (image.encryption === undefined) {
    if (image.file.node.listens) await image.file.event('write_aio');
    const done = image.data.writev(host, parts);
    if (done !== undefined) await done;
    return;
  }
  let at = 0;
  for (const part of parts) {
    const done = writeData(image, host + at, guest + at, part, 0, part.length);
    if (done !== undefined) await done;
    at += part.length;
  }
}
