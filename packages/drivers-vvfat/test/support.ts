/** Directories for the tests, and the tools that look at disks. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openImage, type Image } from '@blk/core-graph';
import { needTool, prng, run, type Prng, type RunResult } from '@blk/oracle';
import { fatImage, vvfat, type DiskOptions } from '../src/index.js';

/** Path to content; a path that ends with a slash is a directory. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export function putFiles(dir: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const folder = path.endsWith('/');
    mkdirSync(folder ? join(dir, path) : dirname(join(dir, path)), { recursive: true });
    if (!folder) writeFileSync(join(dir, path), content);
  }
}

/** What lies in a directory, but for links: path to content, `null` for a directory. */
export function takeFiles(dir: string, prefix = ''): Map<string, Buffer | null> {
  const found = new Map<string, Buffer | null>();
  for (const entry of readdirSync(join(dir, prefix), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    found.set(path, entry.isDirectory() ? null : readFileSync(join(dir, path)));
    if (entry.isDirectory()) for (const [below, content] of takeFiles(dir, path)) found.set(below, content);
  }
  return found;
}

/** Names, in order, and contents are the same. */
export function sameFiles(left: ReadonlyMap<string, Buffer | null>, right: ReadonlyMap<string, Buffer | null>): string[] {
  const wrong: string[] = [];
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(path), right.get(path)];
    const same = a === undefined || b === undefined ? false : a === null || b === null ? a === b : a.equals(b);
    if (!same) wrong.push(path);
  }
  return wrong;
}

/** The files of two directories of the same names whose times of change are not the same to two seconds, as FAT has them. */
export function otherTimes(left: string, right: string): string[] {
  const time = (dir: string, path: string): number => Math.floor(lstatSync(join(dir, path)).mtimeMs / 2000);
  return [...takeFiles(left)].flatMap(([path, content]) => (content !== null && time(left, path) !== time(right, path) ? [path] : []));
}

/** Everything that anybody could see of a directory, by path. */
export function looks(dir: string): Map<string, string> {
  const paths = ['', ...readdirSync(dir, { recursive: true, encoding: 'utf8' })].sort();
  return new Map(paths.map((path) => {
    const { ino, size, mode, nlink, mtimeNs, ctimeNs } = lstatSync(`${dir}/${path}`, { bigint: true });
    return [path, [ino, size, mode, nlink, mtimeNs, ctimeNs].join(' ')];
  }));
}

/** The error, or undefined. */
export function settled(work: Promise<unknown>): Promise<unknown> {
  return work.then(() => undefined, (error: unknown) => error);
}

/** A tree with all that is hard: long and foreign names, names that differ late, empty files and folders, files of all lengths. */
export function hardFiles(random: Prng = prng(7), largest = 600_000): Files {
  const bytes = (length: number): Uint8Array => random.bytes(length);
  const files: Record<string, string | Uint8Array> = {
    'README.TXT': 'short', 'readme2.txt': 'small letters', 'A long name with spaces.text': 'x', '.hidden': 'h', 'no extension at all': '',
    'Ünïcode – файл.txt': 'ü', '日本語.txt': 'j', 'tar.gz.archive.name': 'dots', ['x'.repeat(255)]: 'longest',
    'a+b,c;d=e[f].txt': 'only long names hold these', 'exact13chars!': '13', 'exact26chars-exact26chars!': '26',
    'empty/': '', 'sub/deep/deeper/deepest/leaf.c': 'int x;', 'sub/empty': '', 'SUB~1.TXT': 'looks like an alias',
    'cluster.bin': bytes(8192), 'cluster+1.bin': bytes(8193), 'cluster-1.bin': bytes(8191), 'large.bin': bytes(largest),
  };
  for (let index = 0; index < 40; index++) files[`many/longer name number ${index}.txt`] = `${index}`;
  return files;
}

/** A directory's disk as a sparse file. */
export async function saveDisk(dir: string, to: string, options: DiskOptions = {}): Promise<void> {
  await using image = await fatImage(dir, options);
  await using file = await open(to, 'w');
  for (const { offset, length } of image.dataRanges()) {
    const bytes = new Uint8Array(length);
    await image.read(offset, bytes);
    await file.write(bytes, 0, length, offset);
  }
  truncateSync(to, image.size);
}

export function openDirectory(dir: string, options: Record<string, unknown> = {}): Promise<Image> {
  return openImage({ driver: 'vvfat', dir, ...options }, { drivers: [vvfat], writable: options['rw'] === true });
}

/** Where the file system begins on a disk with partitions. */
export const PARTITION = 63 * 512;

/** One of the commands of mtools on the file system of a disk; `-i` is given to it. */
export async function mtools(disk: string, floppy: boolean, command: string, ...args: readonly string[]): Promise<RunResult> {
  const image = floppy ? disk : `${disk}@@${PARTITION}`;
  const result = await run(needTool('mtools'), ['-c', command, '-i', image, ...args], { env: { LC_ALL: 'C.UTF-8', MTOOLS_SKIP_CHECK: undefined } });
  if (result.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}${result.stdout}`);
  return result;
}

/** What fsck.fat finds wrong; empty where all is well. */
export async function fsck(disk: string, floppy: boolean, scratch: string): Promise<string> {
  let volume = disk;
  if (!floppy) {
    volume = scratch;
    await run('dd', [`if=${disk}`, `of=${scratch}`, 'bs=32256', 'skip=1', 'conv=sparse', 'status=none']);
  }
  const { code, stdout, stderr } = await run(needTool('fsck.fat'), ['-n', '-V', volume], { env: { LC_ALL: 'C.UTF-8' } });
  return code === 0 ? '' : `${code}: ${stdout}${stderr}`;
}
