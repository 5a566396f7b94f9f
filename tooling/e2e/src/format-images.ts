// One image of each format, all with the same content, for tests that try every package in the same way.
import { readFileSync, writeFileSync } from 'node:fs';
import { bochsImage, cloopImage, dmgImage } from '@blk/image-writers';
import { qemuImg, qemuIo, type TempDir } from '@blk/oracle';
import { succeed } from './packing.js';

export interface FormatImage {
  /** Of the image, which no other one has. */
  readonly name: string;
  /** The package that reads it, without scope. */
  readonly package: string;
  /** Name of its driver, which is that of its export as well. */
  readonly driver: string;
  /** How `qemu-img convert` makes it, or a writer of our own where it can't. */
  readonly convert: readonly string[] | ((content: Uint8Array) => Uint8Array);
}

/** The formats that are read wherever there is JavaScript. */
export const FORMATS: readonly FormatImage[] = [
  { name: 'qcow2', package: 'drivers-qcow2', driver: 'qcow2', convert: ['-c', '-O', 'qcow2'] },
  { name: 'qcow', package: 'drivers-qcow', driver: 'qcow', convert: ['-O', 'qcow'] },
  { name: 'qed', package: 'drivers-qed', driver: 'qed', convert: ['-O', 'qed'] },
  { name: 'parallels', package: 'drivers-parallels', driver: 'parallels', convert: ['-O', 'parallels'] },
  { name: 'vdi', package: 'drivers-vdi', driver: 'vdi', convert: ['-O', 'vdi'] },
  { name: 'vhdx', package: 'drivers-vhdx', driver: 'vhdx', convert: ['-O', 'vhdx'] },
  { name: 'vmdk', package: 'drivers-vmdk', driver: 'vmdk', convert: ['-O', 'vmdk'] },
  { name: 'vpc', package: 'drivers-vpc', driver: 'vpc', convert: ['-O', 'vpc'] },
  { name: 'vmdk-stream', package: 'drivers-vmdk', driver: 'vmdk', convert: ['-O', 'vmdk', '-o', 'subformat=streamOptimized'] },
  { name: 'cloop', package: 'drivers-cloop', driver: 'cloop', convert: cloopImage },
  { name: 'bochs', package: 'drivers-bochs', driver: 'bochs', convert: bochsImage },
  { name: 'dmg-zlib', package: 'drivers-dmg', driver: 'dmg', convert: inChunks },
  { name: 'dmg-mixed', package: 'drivers-dmg', driver: 'dmg', convert: dmgOf },
];

function inChunks(content: Uint8Array): Uint8Array {
  const pieces = Array.from({ length: Math.ceil(content.length / 262_144) }, (_, index) => content.subarray(index * 262_144, (index + 1) * 262_144));
  return dmgImage([{ chunks: pieces.map((piece) => ({ kind: 'zlib', content: piece })) }]);
}

/** Makes the images, with 7s at 64 KiB and 9s at 1 MiB; their paths by name. */
export async function makeImages(dir: TempDir): Promise<Map<string, string>> {
  const plain = dir.file('plain.qcow2');
  succeed(await qemuImg('create', '-q', '-f', 'qcow2', plain, '4M'));
  succeed(await qemuIo(plain, ['write -q -P 7 64k 64k', 'write -q -P 9 1M 64k'], { format: 'qcow2' }));
  succeed(await qemuImg('convert', '-O', 'raw', plain, dir.file('disk.raw')));
  const content = readFileSync(dir.file('disk.raw'));
  const paths = new Map<string, string>();
  for (const { name, driver, convert } of FORMATS) {
    // Some are known by the end of their name.
    const path = dir.file(`${name}.${driver}`);
    if (typeof convert === 'function') writeFileSync(path, convert(content));
    else succeed(await qemuImg('convert', ...convert, plain, path));
    paths.set(name, path);
  }
  return paths;
}

/** A chunk of every kind that is packed here. */
function dmgOf(content: Uint8Array): Uint8Array {
  const piece = (from: number, to: number): Uint8Array => content.subarray(from * 65536, to * 65536);
  return dmgImage([{ chunks: [{ kind: 'adc', content: piece(0, 4) }, { kind: 'zlib', content: piece(4, 17) }, { kind: 'raw', content: piece(17, 30) }, { kind: 'lzfse', content: piece(30, 64) }] }]);
}
