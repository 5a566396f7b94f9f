// Every field of the metadata of QED, VDI, VHDX, VMDK and Parallels images damaged in turn: `check`, `-r leaks` and `-r all` beside the
// reference: what is told, the exit code, and what the disk holds. CI takes a sample; BLK_SWEEP=1 takes all, BLK_SEED another sample, and
// BLK_ONLY those whose names it is a pattern of. qcow2 has `check-sweep.test.ts`.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prng, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import type { Damage, Files } from './fields.js';
import { BASES, makeBase, type Base } from './format-bases.js';
import { DIFFERENCES } from './format-differences.js';
import { oursIn, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const sweep = process.env['BLK_SWEEP'] === '1';
const SEED = Number(process.env['BLK_SEED'] ?? 20_271);
const ONLY = process.env['BLK_ONLY'];
const SAMPLE = 6;
/** Milliseconds of the processor that one check may take. */
const SOON = 1000;
/** What the reference may take, in milliseconds and in KiB of memory: it is to end before the machine does. */
const PATIENCE = 10_000;
const MEMORY = 4 << 20;

type Side = 'mine' | 'theirs';
const MODES = [[], ['-r', 'leaks'], ['-r', 'all']] as const;

describe.skipIf(needs.skip)(needs.title('every field in turn'), () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = tempDir();
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  /** Undefined where it ended by a signal, or not at all. */
  async function theirs(cwd: string, ...words: string[]): Promise<Ran | undefined> {
    const limited = ['-c', `ulimit -v ${MEMORY}; exec qemu-img "$@"`, 'qemu-img', ...words];
    const ran = await run('sh', limited, { cwd, timeout: PATIENCE }).catch(() => undefined);
    return ran !== undefined && ran.code > 128 ? undefined : ran;
  }

  function put(side: Side, files: Files): void {
    rmSync(dir.file(side), { recursive: true, force: true });
    mkdirSync(dir.file(side));
    for (const [name, bytes] of files) writeFileSync(join(dir.file(side), name), bytes);
  }

  function isChanged(side: Side, files: Files): boolean {
    return [...files].some(([name, bytes]) => {
      const file = join(dir.file(side), name);
      // A repair may leave more than fits into memory.
      return statSync(file).size !== bytes.length || !readFileSync(file).equals(bytes);
    });
  }

  /** The first 8 MiB of the disk, or all of it; 'damaged' where it can't be read, undefined where the reference did not bear it. */
  async function content(side: Side, by: Side, format: string): Promise<Buffer | 'damaged' | undefined> {
    const words = ['dd', '-f', format, '-O', 'raw', 'bs=1M', 'count=8', `if=t.${format}`, 'of=out'];
    const ran = by === 'mine' ? await oursIn(words, dir.file(side)) : await theirs(dir.file(side), ...words);
    if (ran === undefined) return undefined;
    return ran.code === 0 ? readFileSync(dir.file(`${side}/out`)) : 'damaged';
  }

  /** What differs in one way of checking; empty: nothing. `note` is told what the reference did not bear. */
  async function judge(files: Files, { format, repairs = true }: Base, mode: readonly string[], note: () => void): Promise<string[]> {
    put('mine', files);
    put('theirs', files);
    const words = ['check', '-f', format, ...mode, `t.${format}`];
    const running = theirs(dir.file('theirs'), ...(repairs ? words : words.toSpliced(3, mode.length)));
    const begin = process.cpuUsage();
    const mine = await oursIn(words, dir.file('mine'));
    const { user, system } = process.cpuUsage(begin);
    const other = await running;
    const problems: string[] = [];
    if ((user + system) / 1000 > SOON) problems.push(`took ${Math.round((user + system) / 1000)} ms`);
    if (/unexpected failure|\n\s+at /.test(mine.stderr)) problems.push(`failed: ${mine.stderr}`);
    const changed = isChanged('mine', files);
    if (changed && (mode.length === 0 || isRefused(mine))) problems.push('changed the image');
    if (other === undefined) note();
    else problems.push(...compareTold(mine, other));
    if (changed) problems.push(...(await judgeRepair(format, mine.code)));
    if (other !== undefined && (changed || isChanged('theirs', files))) problems.push(...(await compareContent(format, mine.code)));
    return problems;
  }

  /** What was repaired here reads as it does there, repaired or not, but where ours says that the image is still damaged. */
  async function compareContent(format: string, code: number): Promise<string[]> {
    const bytes = await content('theirs', 'theirs', format);
    const ours = await content('mine', 'mine', format);
    if (!(bytes instanceof Buffer)) return [];
    if (!(ours instanceof Buffer)) return code === 0 || code === 3 ? ["can't be read, which it can with the reference"] : [];
    return ours.equals(bytes) ? [] : ['reads otherwise than with the reference'];
  }

  /** A repaired image is what the reference takes it for, and reads alike by both. */
  async function judgeRepair(format: string, code: number): Promise<string[]> {
    const seen = await theirs(dir.file('mine'), 'check', '-f', format, `t.${format}`);
    const problems = seen !== undefined && seen.code !== code ? [`ends with ${code}, then the reference finds ${seen.code}: ${lastLine(seen)}`] : [];
    if (code !== 0) return problems;
    const [ours, bytes] = [await content('mine', 'mine', format), await content('mine', 'theirs', format)];
    if (!(ours instanceof Buffer)) problems.push("repaired, and can't be read");
    else if (bytes === 'damaged') problems.push('repaired, and not read by the reference');
    else if (bytes?.equals(ours) === false) problems.push('repaired, and reads otherwise by the reference');
    return problems;
  }

  function pick(base: Base, cases: readonly Damage[]): readonly Damage[] {
    if (ONLY !== undefined) return cases.filter(({ name }) => new RegExp(ONLY).test(`${base.name}, ${name}`));
    if (sweep) return cases;
    const random = prng(SEED);
    return Array.from({ length: SAMPLE }, () => cases[random.below(cases.length)]);
  }

  const met = new Set<number>();

  test.each(BASES)('$name', { timeout: sweep || ONLY !== undefined ? 3_600_000 : 300_000 }, async (base) => {
    const files = await makeBase(dir.file('base'), base);
    const damages = [...files].flatMap(([name, bytes]) => (name === 'back' ? [] : base.damages(name, bytes)));
    const found: string[] = [];
    const unborne: string[] = [];
    for (const damage of pick(base, damages)) {
      const damaged = new Map(files);
      const bytes = files.get(damage.file);
      if (bytes === undefined) throw new Error(`no file ${damage.file}`);
      damaged.set(damage.file, damage.damaged(bytes));
      for (const mode of MODES) {
        const name = [base.name, damage.file === `t.${base.format}` ? '' : damage.file, damage.name, ...mode].filter((word) => word !== '').join(', ');
        for (const problem of await judge(damaged, base, mode, () => unborne.push(name))) {
          const known = DIFFERENCES.findIndex((each) => each.damage.test(name) && each.verdict.test(problem));
          if (known < 0) found.push(`${name}: ${problem}`);
          else met.add(known);
        }
      }
    }
    // The reference's own failures are for the reader: nothing of ours depends on them.
    if (unborne.length > 0) process.stderr.write(`${base.name}: the reference crashed or ran on in ${unborne.length} cases, the first: ${unborne[0]}\n`);
    expect(found).toEqual([]);
  });

  // A sample does not come by all of them.
  if (sweep && ONLY === undefined) {
    test('what is listed as different differs', () => {
      expect(DIFFERENCES.filter((_, index) => !met.has(index))).toEqual([]);
    });
  }
});

function isRefused({ code, stderr }: Ran): boolean {
  return code === 1 && stderr.includes('Could not open');
}

/** Words, findings, numbers and exit codes, one difference after the other. */
function compareTold(mine: Ran, theirs: Ran): string[] {
  const [ours, others] = [isRefused(mine), isRefused(theirs)];
  if (ours !== others) return [ours ? `refuses: ${lastLine(mine)}` : `opens what the reference refuses: ${lastLine(theirs)}`];
  if (ours) return saysAsMuch(reasonOf(mine), reasonOf(theirs)) ? [] : [`refuses with: ${lastLine(mine)}, the reference with: ${lastLine(theirs)}`];
  const [lines, otherLines] = [mine, theirs].map(({ stderr }) => stderr.split('\n').filter((line) => line !== ''));
  const differences = [...missing(lines, otherLines).map((line) => `finds: ${line}`), ...missing(otherLines, lines).map((line) => `does not find: ${line}`)];
  const clean = mine.stdout.includes('No errors were found on the image.');
  if (clean !== (mine.code === 0)) differences.push(`ends with ${mine.code}, and prints ${JSON.stringify(mine.stdout)}`);
  // Who finds more counts more.
  if (differences.length > 0) return differences;
  if (mine.code !== theirs.code) return [`ends with ${mine.code}, the reference with ${theirs.code}: ${lastLine(mine)} | ${lastLine(theirs)}`];
  return mine.stdout === theirs.stdout ? [] : [`prints ${JSON.stringify(mine.stdout)}, the reference ${JSON.stringify(theirs.stdout)}`];
}

/** Lines that the others have not, as many times. */
function missing(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Without who says it, and of what. */
function reasonOf({ stderr }: Ran): string {
  return (stderr.trim().split('\n').at(-1) ?? '').replace(/^qemu-img: (Could not open '[^']*': )*/, '');
}

/** Ours may go on where the reference ends, or say what is wrong where that one has the words of the host only. */
function saysAsMuch(ours: string, theirs: string): boolean {
  return ours.startsWith(theirs) || /^(Invalid argument|Operation not supported|Input\/output error|No such file or directory|File too large)$/.test(theirs);
}

function lastLine({ stdout, stderr }: Ran): string {
  return `${stdout}${stderr}`.trim().split('\n').at(-1) ?? '';
}
