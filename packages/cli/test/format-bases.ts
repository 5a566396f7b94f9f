/** Images of the formats that can be checked, as the reference makes them, before they are damaged. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage, qemuIo } from '@blk/oracle';
import type { Damage, Files } from './fields.js';
import { parallelsDamages, qedDamages, vdiDamages, vmdkDamages } from './format-fields.js';
import { logDamages, logOf, sealVhdx, vhdxDamages } from './vhdx-fields.js';

export interface Base {
  readonly name: string;
  readonly format: string;
  /** Options of `create`. */
  readonly options: string;
  readonly size?: string;
  /** Commands of qemu-io. */
  readonly history: readonly string[];
  /** False for a format of which the reference has no repair: ours is held against its check. */
  readonly repairs?: boolean;
  /** A raw image below. */
  readonly backing?: boolean;
  /** What becomes of the opened file: its bytes now, and those from before the last command. */
  readonly change?: (bytes: Uint8Array, before: Uint8Array) => Uint8Array;
  readonly damages: (file: string, bytes: Uint8Array) => readonly Damage[];
}

const WRITES = ['write -P 1 64k 64k', 'write -P 2 2M 32k', 'write -P 3 1M 4k', 'write -z 66k 4k', 'discard 3M 64k'];

const qed = { format: 'qed', damages: qedDamages };
const vdi = { format: 'vdi', repairs: false, damages: vdiDamages };
const vhdx = { format: 'vhdx', damages: vhdxDamages };
const vmdk = { format: 'vmdk', repairs: false, damages: vmdkDamages };
const parallels = { format: 'parallels', damages: parallelsDamages };

export const BASES: readonly Base[] = [
  { ...qed, name: 'qed, small clusters', options: 'cluster_size=4k,table_size=2', history: [...WRITES, 'write -P 4 3M 8k'] },
  { ...qed, name: 'qed, over a backing file', options: 'cluster_size=4k,table_size=2', history: [...WRITES, 'write -z 1M 64k'], backing: true },
  { ...qed, name: 'qed, asks for a check', options: 'cluster_size=64k', history: WRITES, change: (bytes) => patch(bytes, 16, 2) },
  { ...vdi, name: 'vdi, dynamic', options: '', history: ['write -P 1 2M 64k', 'write -P 2 0 4k', 'write -P 3 2060k 8k'] },
  { ...vdi, name: 'vdi, static', options: 'static=on', size: '3M', history: WRITES.slice(0, 3) },
  { ...vdi, name: 'vdi, a block of zeroes', options: '', history: ['write -P 1 0 4k', 'write -P 2 3M 4k'], change: (bytes) => patch(bytes, 512 + 4, 0xffff_fffe) },
  { ...parallels, name: 'parallels, small clusters', options: 'cluster_size=4k', size: '1M', history: ['write -P 1 64k 8k', 'write -P 2 0 4k', 'write -P 3 1020k 4k'] },
  { ...parallels, name: 'parallels, large clusters', options: '', history: ['write -P 1 2M 64k', 'write -P 2 0 4k'] },
  {
    ...parallels, name: 'parallels, not closed', options: 'cluster_size=4k', size: '1M', history: ['write -P 1 64k 8k', 'write -P 2 0 4k'],
    change: (bytes) => patch(bytes, 44, 0x746f_6e59),
  },
  { ...parallels, name: 'parallels, old kind', options: 'cluster_size=4k', size: '1M', history: ['write -P 1 64k 8k', 'write -P 2 0 4k'], change: asOldParallels },
  { ...vhdx, name: 'vhdx, dynamic', options: 'block_size=1M', history: ['write -P 1 2M 64k', 'write -P 2 0 4k'] },
  { ...vhdx, name: 'vhdx, fixed', options: 'block_size=1M,subformat=fixed', size: '3M', history: ['write -P 1 2M 64k', 'write -P 2 0 4k'] },
  { ...vhdx, name: 'vhdx, no states of zeroes', options: 'block_size=2M,block_state_zero=off', size: '8M', history: ['write -P 1 2M 64k', 'write -P 2 5M 4k'] },
  { ...vhdx, name: 'vhdx, a log to replay', options: 'block_size=1M', history: ['write -P 1 0 4k', 'write -P 2 2M 64k'], change: unreplayed, damages: logDamages },
  { ...vmdk, name: 'vmdk, sparse', options: '', history: WRITES },
  { ...vmdk, name: 'vmdk, sparse, version 2', options: 'zeroed_grain=on', history: [...WRITES, 'write -z 1M 64k'] },
  { ...vmdk, name: 'vmdk, split', options: 'subformat=twoGbMaxExtentSparse', history: WRITES },
  { ...vmdk, name: 'vmdk, flat', options: 'subformat=monolithicFlat', size: '1M', history: ['write -P 1 64k 64k'] },
  { ...vmdk, name: 'vmdk, compressed', options: 'subformat=streamOptimized', history: ['write -P 1 64k 64k', 'write -P 2 2M 64k'] },
];

/** Makes the image in a folder that is there for it alone; the files by name, the one that is opened first. */
export async function makeBase(dir: string, { format, options, size = '4M', history, backing = false, change }: Base): Promise<Files> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  const name = `t.${format}`;
  const file = join(dir, name);
  if (backing) {
    writeFileSync(join(dir, 'back'), new Uint8Array(4 << 20).fill(7));
    await createImage(file, format, size, '-o', options, '-b', 'back', '-F', 'raw');
  } else await createImage(file, format, size, ...(options === '' ? [] : ['-o', options]));
  let before: Uint8Array = readFileSync(file);
  for (const command of history) {
    before = readFileSync(file);
    const { code, stderr } = await qemuIo(file, [command], { format });
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
  }
  if (change !== undefined) writeFileSync(file, change(new Uint8Array(readFileSync(file)), before));
  const names = [name, ...readdirSync(dir).filter((other) => other !== name)];
  return new Map(names.map((each) => [each, new Uint8Array(readFileSync(join(dir, each)))]));
}

function patch(bytes: Uint8Array, at: number, value: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(at, value, true);
  return bytes;
}

/** Entries count sectors. */
function asOldParallels(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('WithoutFreeSpace'));
  for (let entry = 0; entry < view.getUint32(32, true); entry++) view.setUint32(64 + entry * 4, view.getUint32(64 + entry * 4, true) * view.getUint32(28, true), true);
  return bytes;
}

/** The log as it was before its one entry was put into place. */
function unreplayed(bytes: Uint8Array, before: Uint8Array): Uint8Array {
  const { log } = logOf(bytes);
  const page = Number(new DataView(bytes.buffer).getBigUint64(log + 80, true));
  bytes.set(before.subarray(page, page + 4096), page);
  for (const header of [0x10000, 0x20000]) bytes.set(bytes.subarray(log + 32, log + 48), header + 48);
  sealVhdx(bytes);
  return bytes;
}
