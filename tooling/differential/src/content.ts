// What commands left in the folders: the same files, with the same content for a guest, and in order.
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { needTool, run, type RunResult } from '@blk/oracle';
import { mask } from './mask.js';

export interface ContentDifference {
  /** The file, and what of it differs. */
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
}

/** Larger files are compared as images only. Bytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Stands between a link's name and what it points to. */
const LINK = ' -> ';

/** Compares two folders. `damaged`: images need not be in order. */
export async function compareFolders(ours: string, theirs: string, damaged: boolean): Promise<ContentDifference[]> {
  const [mine, other] = [list(ours), list(theirs)];
  if (mine.join('\n') !== other.join('\n')) return [{ what: 'files', ours: mine.join(' '), theirs: other.join(' ') }];
  const found: ContentDifference[] = [];
  for (const name of mine) {
    if (name.includes(LINK) || !lstatSync(join(ours, name)).isFile()) continue;
    if (sameBytes(join(ours, name), join(theirs, name))) continue;
    found.push(...(await compareImages(ours, theirs, name, damaged)));
  }
  return found;
}

async function compareImages(ours: string, theirs: string, name: string, damaged: boolean): Promise<ContentDifference[]> {
  const [format, other] = [formatOf(join(ours, name)), formatOf(join(theirs, name))];
  if (format !== other) return [{ what: `${name}: format`, ours: format, theirs: other }];
  if (format === 'raw') {
    const sizes = [ours, theirs].map((folder) => String(lstatSync(join(folder, name)).size));
    if (sizes[0] !== sizes[1]) return [{ what: `${name}: size`, ours: sizes[0], theirs: sizes[1] }];
  }
  const found: ContentDifference[] = [];
  const ask = async (what: string, words: readonly string[], clean: (text: string) => string): Promise<void> => {
    const [a, b] = await Promise.all(
      [ours, theirs].map(async (cwd) => {
        const { code, stdout, stderr } = await run(needTool('qemu-img'), [...words, name], { cwd });
        return clean(mask(`${stdout}${stderr}exit code ${code}`, cwd));
      }),
    );
    if (a !== b) found.push({ what: `${name}: ${what}`, ours: a, theirs: b });
  };
  if (format === 'qcow2') {
    await ask('info', ['info', '-U', '--output=json', '-f', format], withoutPlaces);
    // Leaks, errors and damage count; how the clusters lie does not.
    if (!damaged) await ask('check', ['check', '-q', '-U', '-f', format], (text) => text);
  }
  if (isEncrypted(join(ours, name))) return found;
  const { code, stdout, stderr } = await compare([join(ours, name), join(theirs, name)], format, ours);
  if (code !== 0 && !damaged) found.push({ what: `${name}: content`, ours: mask(`${stdout}${stderr}`, ours), theirs: 'Images are identical.\n' });
  return found;
}

/** What both hold for a guest. Where their backing file is not there, or cannot be: what they hold by themselves. */
async function compare(paths: readonly string[], format: string, cwd: string): Promise<RunResult> {
  const result = await run(needTool('qemu-img'), ['compare', '-U', '-f', format, '-F', format, ...paths], { cwd });
  if (result.code < 2 || format === 'raw') return result;
  const alone = paths.map((filename) => `json:${JSON.stringify({ driver: format, backing: null, file: { driver: 'file', filename } })}`);
  return run(needTool('qemu-img'), ['compare', '-U', ...alone], { cwd });
}

/** Files, folders and links below a folder, with what links point to. Sockets come and go with their servers. */
function list(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isSocket())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return path.slice(folder.length + 1) + (entry.isSymbolicLink() ? `${LINK}${readlinkSync(path)}` : '');
    })
    .sort();
}

function sameBytes(a: string, b: string): boolean {
  const [sizeA, sizeB] = [lstatSync(a).size, lstatSync(b).size];
  return sizeA === sizeB && sizeA <= MAX_BYTES && readFileSync(a).equals(readFileSync(b));
}

function head(path: string): Buffer {
  const bytes = Buffer.alloc(104);
  const fd = openSync(path, 'r');
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes;
}

/** Formats whose files differ by chance, although they hold the same. */
const MAGICS = new Map([[0x514649fb, 'qcow2'], [0x4b444d56, 'vmdk']]);

function formatOf(path: string): string {
  return MAGICS.get(head(path).readUInt32BE(0)) ?? 'raw';
}

/** Content of encrypted images is looked at by the scenario, which has the key. */
function isEncrypted(path: string): boolean {
  return formatOf(path) === 'qcow2' && head(path).readUInt32BE(32) !== 0;
}

/** Without what depends on where a writer put things, and on chance. */
function withoutPlaces(json: string): string {
  return json
    .replaceAll(/"(actual-size|vm-clock-nsec|vm-clock-sec|offset|payload-offset|key-offset|iters|master-key-iters)": \d+/g, '"$1": N')
    .replaceAll(/"filename": "[^"]*"/g, '"filename": NAME');
}
