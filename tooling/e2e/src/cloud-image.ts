// An image as distributions publish them: partition table, ext4 with a directory tree, compressed qcow2 with an overlay.
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { findTool, prng, qemuImg, qemuIo } from '@blk/oracle';

export interface CloudImage {
  /** The disk's content, as a raw file. */
  readonly raw: string;
  /** The overlay, whose backing file is compressed. */
  readonly overlay: string;
  readonly size: number;
}

const MIB = 1024 * 1024;

/** Makes the image in `dir` with the reference tools: `size` bytes virtual, some tens of MiB of content. */
export async function cloudImage(dir: string, size: number): Promise<CloudImage> {
  const tree = join(dir, 'tree');
  makeTree(tree);
  const partition = join(dir, 'partition.ext4');
  createSparse(partition, size - 2 * MIB);
  execFileSync(findTool('mkfs.ext4') ?? 'mkfs.ext4', ['-q', '-F', '-L', 'cloudimg-root', '-d', tree, partition], { stdio: 'pipe' });
  const raw = join(dir, 'disk.raw');
  createSparse(raw, size);
  execFileSync(findTool('sfdisk') ?? 'sfdisk', ['-q', raw], { input: 'label: gpt\nstart=2048, type=L\n', stdio: ['pipe', 'pipe', 'pipe'] });
  placeAt(raw, partition, MIB);
  const base = join(dir, 'base.qcow2');
  const overlay = join(dir, 'overlay.qcow2');
  for (const args of [
    ['convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, base],
    ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base.qcow2', overlay],
  ]) {
    const result = await qemuImg(...args);
    if (result.code !== 0) throw new Error(result.stderr);
  }
  // The overlay holds something of its own: the same writes go to both.
  for (const [file, format] of [[overlay, 'qcow2'], [raw, 'raw']] as const) {
    const written = await qemuIo(file, ['write -q -P 17 700M 3M', 'write -q -z 10M 1M', 'write -q -P 5 12345k 77k'], { format });
    if (written.code !== 0) throw new Error(written.stderr);
  }
  return { raw, overlay, size };
}

function makeTree(tree: string): void {
  const random = prng(7);
  const text = readFileSync(process.execPath).subarray(0, 24 * MIB);
  for (let d = 0; d < 12; d++) {
    const folder = join(tree, `usr/share/part-${d}`);
    mkdirSync(folder, { recursive: true });
    for (let f = 0; f < 20; f++) {
      const at = random.below(text.length - 200_000);
      writeFileSync(join(folder, `file-${f}.bin`), text.subarray(at, at + 1 + random.below(200_000)));
    }
  }
}

function createSparse(path: string, size: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** Copies the parts of `from` that are not zero into `to`, from `offset` on. */
function placeAt(to: string, from: string, offset: number): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'r+');
  const zeroes = Buffer.alloc(MIB);
  const piece = Buffer.alloc(MIB);
  for (let at = 0; ; ) {
    const count = readSync(source, piece, 0, MIB, at);
    if (count === 0) break;
    if (!piece.subarray(0, count).equals(zeroes.subarray(0, count))) writeSync(target, piece, 0, count, offset + at);
    at += count;
  }
  closeSync(source);
  closeSync(target);
}
