/** The table of the contract: each command, event and member with what it is and the test that holds it. Made from the schema. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseSchemaText, type Expression, type QapiValue } from '@blk/qapi-gen';

const root = new URL('../../../', import.meta.url);

/** One row: what it is about, and where it is tested. */
export interface Row {
  readonly section: string;
  readonly name: string;
  readonly summary: string;
  /** Path from the root; undefined where no test mentions it. */
  readonly test: string | undefined;
  /** What the test has to name; nothing for a type, whose members have rows of their own. */
  readonly words: readonly string[];
}

/** In the place of a test. */
const NOT_THERE = 'no driver for it';

/** Whether the row only begins those of its members. */
export function isHeading(row: Row): boolean {
  return row.words.length === 0;
}

interface TestFile {
  readonly path: string;
  readonly text: string;
}

/** Every row of the contract, in its order. */
export function contractRows(): Row[] {
  const text = readFileSync(new URL('packages/qapi-types/schema/block-core.json', root), 'utf8');
  const tests = testFiles();
  return parseSchemaText(text, 'block-core.json').flatMap((expression) => rowsOf(expression, tests));
}

function rowsOf({ value, doc }: Expression, tests: readonly TestFile[]): Row[] {
  const kind = ['command', 'event', 'struct', 'enum', 'union', 'alternate'].find((each) => value.has(each));
  if (kind === undefined) return [];
  const named = value.get(kind);
  const section = typeof named === 'string' ? named : '';
  const names = membersOf(value.get('data'));
  const spoken = kind === 'command' || kind === 'event';
  const row = (name: string, summary: string, wanted: readonly string[]): Row => ({ section, name, summary: firstSentence(summary), test: wanted.length === 0 ? undefined : bestTest(wanted, names, section, tests), words: wanted });
  const head = row(spoken ? `**\`${section}\`**` : `\`${section}\` (${kind})`, doc?.body ?? '', spoken ? [section] : []);
  return [head, ...names.map((name) => row(`\`${name}\``, doc?.members.get(name) ?? '', spoken ? [section, name] : [wordOf(section, name)]))];
}

/** As tests name a member: events of blkdebug have today's names there, without dots. */
function wordOf(section: string, name: string): string {
  return section === 'BlkdebugEvent' ? name.replaceAll('.', '_') : name;
}

function membersOf(data: QapiValue | undefined): string[] {
  if (Array.isArray(data)) return data.map(String);
  return data instanceof Map ? [...data.keys()].map((name) => name.replace('*', '')) : [];
}

/** The whole of the first sentence, on one line of a table. */
function firstSentence(text: string): string {
  const line = text.replace(/#optional\s*/g, '').replace(/\s+/g, ' ').replaceAll('|', '\\|').replace(/@([\w-]+)/g, '`$1`').trim();
  return (/^.*?[.;](?= |$)/.exec(line)?.[0] ?? line).replace(/[.;:]$/, '');
}

/** Tests that talk to the server come first, then those of what lies below it. */
const PLACES = ['qmp-server', 'jobs', 'throttle', 'core-graph', 'image', 'drivers-qcow2', 'drivers-file', 'drivers-null', 'drivers-raw', 'qapi-types'];

function testFiles(): TestFile[] {
  const packages = readdirSync(new URL('packages/', root)).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  return packages.flatMap((name) => {
    const folder = new URL(`packages/${name}/test/`, root);
    return readdirSync(folder)
      .filter((file) => file.endsWith('.test.ts'))
      .sort()
      .map((file) => ({ path: `packages/${name}/test/${file}`, text: readFileSync(new URL(file, folder), 'utf8') }));
  });
}

function place(name: string): number {
  const at = PLACES.indexOf(name);
  return at < 0 ? PLACES.length : at;
}

/** The package of the driver that a type, or the member of a list of drivers, is about. */
function homeOf(section: string, wanted: readonly string[]): string | undefined {
  const list = section === 'BlockdevDriver' || section === 'BlockdevOptions';
  const driver = list ? wanted[0] : /^(?:BlockdevOptions|ImageInfoSpecific)?(Archipelago|Blkdebug|Blkverify|Quorum|VVFAT|Qcow2|Vmdk)/i.exec(section)?.[1];
  return driver === undefined ? undefined : `drivers-${driver.toLowerCase()}`;
}

/** The test that mentions all of the words, and as many as can be of the other members; those of the package that it is about go first. */
function bestTest(wanted: readonly string[], siblings: readonly string[], section: string, tests: readonly TestFile[]): string | undefined {
  const home = homeOf(section, wanted);
  const counted = tests
    .filter(({ text }) => wanted.every((word) => mentions(text, word) > 0))
    .map(({ path, text }) => ({ path, count: mentions(text, wanted[0]), near: path.split('/')[1] === home ? -1 : place(path.split('/')[1]), kin: siblings.filter((name) => mentions(text, name) > 0).length }));
  // The server's own go before others; then that which knows most of the same thing.
  counted.sort((a, b) => Math.min(a.near, 1) - Math.min(b.near, 1) || b.kin - a.kin || b.count - a.count);
  return counted[0]?.path;
}

/** How often a text has the name as a word of its own, with or without quotes. */
function mentions(text: string, name: string): number {
  const escaped = name.replace(/[-_.]/g, (letter) => `\\${letter}`);
  return text.match(new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`, 'g'))?.length ?? 0;
}

/** The rows as one table of Markdown. */
export function tableText(rows: readonly Row[]): string {
  return `${['| what | meaning | test |', '|---|---|---|', ...rows.map(rowText)].join('\n')}\n`;
}

export function rowText(row: Row): string {
  const { name, section, summary, test } = row;
  const spoken = name.startsWith('**') || isHeading(row) ? name : `${name} of \`${section}\``;
  return `| ${spoken} | ${summary} | ${isHeading(row) ? '' : test === undefined ? NOT_THERE : linked(test)} |`;
}

function linked(test: string): string {
  return `[${test.replace(/^packages\//, '').replace('/test/', ': ').replace('.test.ts', '')}](../${test})`;
}
