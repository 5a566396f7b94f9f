// What a scenario is, and how scripts write them down.
//
//   == title [each] [reads] [damaged] [written]
//   use basic                          lines of a fixture (a section of fixtures.txt), or set-up (setup.ts)
//   ref qemu-img create …              the reference makes it, for both sides
//   qemu-img info a.qcow2              both tools do it, and are compared
//
// `each`: every tool's line is a scenario of its own behind the same set-up. `reads`: the lines change nothing, and are spread
// over scenarios of a few lines. `damaged`: images are not asked to be in order at the end. `written`: the tools wrote the images, so
// where clusters lie in them, and which zeroes are stored, may differ in maps.

export interface Scenario {
  readonly title: string;
  /** Set-up that comes first; the same text gives the same files, which are made once. */
  readonly head: readonly string[];
  readonly lines: readonly string[];
  readonly damaged: boolean;
  readonly written: boolean;
  /** Set-up that only our side gets: tests of the runner make a difference by it. */
  readonly spoil?: string;
}

export const TOOLS = ['qemu-img', 'qemu-io', 'qemu-nbd'] as const;
export type CompareTool = (typeof TOOLS)[number];

/** Whether a line runs one of the tools that are compared; `!` in front asks for a process of its own. */
export function isToolLine(line: string): boolean {
  return TOOLS.some((tool) => line === tool || line.startsWith(`${tool} `) || line.startsWith(`!${tool} `));
}

/** Lines in one scenario of those that change nothing. */
const READS = 20;

interface Section {
  readonly title: string;
  readonly flags: readonly string[];
  readonly lines: string[];
}

/** Takes a script file apart. Empty lines and lines with `#` are left out. */
export function parseSections(text: string): Section[] {
  const sections: Section[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const title = /^== (.*?)((?: \[\w+\])*)$/.exec(line);
    if (title !== null) sections.push({ title: title[1], flags: [...title[2].matchAll(/\w+/g)].map(String), lines: [] });
    else if (sections.length === 0) throw new Error(`a script begins with "== title", not with ${line}`);
    else sections[sections.length - 1].lines.push(line);
  }
  return sections;
}

/** The scenarios of a script. `fixtures` are the named sections that `use` puts in its place. */
export function parseScript(text: string, fixtures: ReadonlyMap<string, readonly string[]>): Scenario[] {
  return parseSections(text).flatMap(({ title, flags, lines }) => {
    const expanded = lines.flatMap((line) => expand(line, fixtures));
    const flag = { damaged: flags.includes('damaged'), written: flags.includes('written') };
    const first = expanded.findIndex((line) => isToolLine(line) || line === 'live' || line.startsWith('serve ') || line.startsWith('hold '));
    if (first < 0) throw new Error(`nothing is compared in "${title}"`);
    const head = expanded.slice(0, first);
    const rest = expanded.slice(first).filter((line) => line !== 'live');
    if (flags.includes('reads')) {
      return chunks(rest, READS).map((few, i) => ({ title: `${title} ${i + 1}`, head, lines: few, ...flag }));
    }
    if (!flags.includes('each')) return [{ title, head, lines: rest, ...flag }];
    const own = rest.filter((line) => !isToolLine(line));
    return rest.filter(isToolLine).map((line) => ({ title: `${title}: ${line}`, head, lines: [...own, line], ...flag }));
  });
}

function expand(line: string, fixtures: ReadonlyMap<string, readonly string[]>): readonly string[] {
  if (!line.startsWith('use ')) return [line];
  return line
    .slice(4)
    .split(' ')
    .flatMap((name) => {
      const found = fixtures.get(name);
      if (found === undefined) throw new Error(`there is no fixture ${name}`);
      return found.flatMap((inner) => expand(inner, fixtures));
    });
}

function chunks<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) => items.slice(i * length, (i + 1) * length));
}
