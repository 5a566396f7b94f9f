// `check` beside the reference: images damaged at every field of their metadata, found, told and repaired as it does.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { Anatomy, BITMAP_DAMAGES, DAMAGES, type Damage } from './damage.js';
import { oursIn, reference, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');
/** All damages, not only one of each sort. */
const sweep = process.env['BLK_SWEEP'] === '1';
const SWEEP_ONLY = /bits (8|13|22)|far|L1 size [13]|snapshots 3|extra size (8|16)|order 7/;

/** Here the reference frees the snapshot table that reaches beyond the file, and loses the snapshots. */
const FREES_TOO_MUCH = new Set(['snapshot id size', 'snapshot name size']);
/** Here it marks the image corrupt while it repairs leaks. */
const MARKS = new Set(['table entry unaligned', 'bitmaps: a count of 0 for the directory']);
/** Here it names another fault of the same bytes than we do. */
const OWN_WORDS = new Set(['bitmaps: directory longer', 'bitmaps: directory at header']);
/** Here it counts otherwise, gives up, or loses more; the reasons are in docs/compatibility.md. */
const OWN_REPAIR = new Set([
  ...FREES_TOO_MUCH, 'table entry unaligned', 'table entry reserved bits', 'table entry beyond', 'second entry beyond', 'snapshots offset at L1',
  'snapshot L1 size huge', 'snapshot extra size huge', 'table offset 0', 'L1 at header', 'L1 at itself',
  'L2 at refcount table',
]);

describe.skipIf(needs.skip)(needs.title('damaged images'), () => {
  let dir: TempDir;
  const bases = new Map<string, Uint8Array>();

  beforeAll(async () => {
    dir = tempDir();
    for (const side of ['mine', 'theirs']) mkdirSync(dir.file(side));
    const file = dir.file('base.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', file, '4M');
    const packed = [5, 6, 7].map((pattern, at) => `write -c -P ${pattern} ${1048576 + at * 4096} 4k`);
    await qemuIo(file, ['write -P 1 0 64k', 'write -P 2 2M 32k', 'write -z 128k 32k', ...packed], { format: 'qcow2' });
    await qemuImg('snapshot', '-c', 's1', file);
    await qemuIo(file, ['write -P 3 8k 16k'], { format: 'qcow2' });
    bases.set('snapshots', new Uint8Array(readFileSync(file)));
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', file, '4M');
    await qemuImg('bitmap', '--add', file, 'b0');
    await qemuImg('bitmap', '--add', '-g', '512', file, 'b1');
    await qemuIo(file, ['write -P 1 0 64k', 'write -P 2 2M 32k'], { format: 'qcow2' });
    bases.set('bitmaps', new Uint8Array(readFileSync(file)));
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  async function both(words: readonly string[], bytes: Uint8Array): Promise<{ mine: Ran; theirs: Ran }> {
    for (const side of ['mine', 'theirs']) writeFileSync(dir.file(`${side}/t.qcow2`), bytes);
    const [mine, theirs] = await Promise.all([oursIn(words, dir.file('mine')), reference(words, dir.file('theirs'))]);
    return { mine, theirs };
  }

  /** The bytes that a guest would read, or undefined where the image can't be read to its end. */
  async function content(side: string, file = 't.qcow2'): Promise<Buffer | undefined> {
    const { code } = await reference(['convert', '-O', 'raw', file, 'out'], dir.file(side));
    return code === 0 ? readFileSync(dir.file(`${side}/out`)) : undefined;
  }

  const cases = [
    ...Object.entries(DAMAGES).map(([name, damage]) => ({ name, damage, base: 'snapshots' })),
    ...Object.entries(BITMAP_DAMAGES).map(([name, damage]) => ({ name, damage, base: 'bitmaps' })),
  ].filter(({ name }) => sweep || !SWEEP_ONLY.test(name));

  test.each(cases)('$name', async ({ name, damage, base }: { name: string; damage: Damage; base: string }) => {
    const image = new Anatomy((bases.get(base) as Uint8Array).slice());
    damage(image);
    const plain = await both(['check', 't.qcow2'], image.bytes);
    if (OWN_WORDS.has(name)) expect(plain.mine.code).toBe(plain.theirs.code);
    else expect(plain.mine).toEqual(spoken(plain.theirs));
    if (!OWN_WORDS.has(name) && !FREES_TOO_MUCH.has(name) && !MARKS.has(name)) {
      const leaks = await both(['check', '-r', 'leaks', 't.qcow2'], image.bytes);
      expect(leaks.mine).toEqual(spoken(leaks.theirs));
    }
    const all = await both(['check', '-r', 'all', 't.qcow2'], image.bytes);
    if (!OWN_REPAIR.has(name)) {
      expect(all.mine.code).toBe(all.theirs.code);
      expect(countsOf(all.mine)).toEqual(countsOf(all.theirs));
      const [mine, theirs] = [await content('mine'), await content('theirs')];
      expect(mine === undefined ? undefined : theirs?.compare(mine)).toBe(theirs === undefined ? undefined : 0);
    }
    // The reference sees in the repaired image what we saw.
    if (all.mine.code !== 1) expect((await reference(['check', 't.qcow2'], dir.file('mine'))).code).toBe(all.mine.code);
  });
});

/** Without what the reference says of its own insides, and with the line's end that it forgets after a warning. */
function spoken({ stderr, ...ran }: Ran): Ran {
  return { ...ran, stderr: stderr.replace(/^qcow2_free_clusters failed: .*\n/gm, '').replace(/(to fix\.)(?=[A-Z])/, '$1\n') };
}

/** What was printed, without the end of the image: new tables lie behind everything here, and in free clusters there. */
function countsOf({ stdout }: Ran): string {
  return stdout.replace(/^Image end offset: .*$/m, '');
}
