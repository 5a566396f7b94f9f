/** Commands at random, made from the server's own description of itself: most of them nearly right, some of them nothing that anybody would send. */
import type { SchemaInfo } from '@blk/qapi-types';
import type { Prng } from '@blk/oracle';

export interface Places {
  /** Names that are good for a member, by its name; of nodes, devices, bitmaps, jobs and the like. */
  readonly members: Readonly<Record<string, readonly string[]>>;
  /** Names for all others, and now and then for any. */
  readonly names: readonly string[];
  /** Files that may be read and written. */
  readonly files: readonly string[];
  /** Names of drivers. */
  readonly drivers: readonly string[];
}

type Described = Extract<SchemaInfo, { 'meta-type': 'object' }>;

/** Stands for the target of a command that makes a file of it. */
const FILE_TARGET = 'target (a file)';
/** Members that name files, of which none outside of the test's folder may be touched. */
const FILES = new Set(['filename', FILE_TARGET, 'snapshot-file', 'path', 'dir', 'backing-file', 'log', 'config']);
const HOSTILE = [
  null, true, false, 0, -1, 1.5, 1e300, 2 ** 31, 2 ** 53, 9223372036854775807n, 18446744073709551615n, '', ' ', '\0', '\u{10ffff}', '\ud800', '../..', 'x'.repeat(5000),
  [], [[]], {}, { driver: 'raw' }, '__proto__', 'constructor',
];

export class RandomCommands {
  readonly #types: ReadonlyMap<string, SchemaInfo>;
  readonly #commands: readonly SchemaInfo[];

  constructor(
    schema: readonly SchemaInfo[],
    private readonly places: Places,
    private readonly random: Prng,
    /** Commands that are left alone. */
    skipped: ReadonlySet<string>,
  ) {
    this.#types = new Map(schema.filter((info) => info['meta-type'] !== 'command' && info['meta-type'] !== 'event').map((info) => [info.name, info]));
    this.#commands = schema.filter((info) => info['meta-type'] === 'command' && !skipped.has(info.name));
  }

  next(): { execute: string; arguments: unknown } {
    let command = this.random.pick(this.#commands) as Extract<SchemaInfo, { 'meta-type': 'command' }>;
    // Those that only look are many.
    if (command.name.startsWith('query-') && this.random.below(4) > 0) command = this.random.pick(this.#commands) as typeof command;
    return { execute: command.name, arguments: this.#value(command['arg-type'], command.name, 0) };
  }

  #value(name: string, member: string, depth: number): unknown {
    const { random } = this;
    if (depth > 0 && !FILES.has(member) && random.below(60) === 0) return random.pick(HOSTILE);
    const type = this.#types.get(name);
    switch (type?.['meta-type']) {
      case 'builtin':
        return this.#builtin(type['json-type'], member);
      case 'enum': {
        const values = member === 'driver' ? type.values.filter((value) => this.places.drivers.includes(value)) : type.values;
        return random.pick(values.length === 0 ? type.values : values);
      }
      case 'array':
        return Array.from({ length: depth > 6 ? 0 : random.below(3) }, () => this.#value(type['element-type'], member, depth + 1));
      case 'alternate':
        return this.#value(random.pick(type.members).type, member, depth + 1);
      case 'object':
        return this.#object(type, depth);
      default:
        return {};
    }
  }

  #object(type: Described, depth: number): Record<string, unknown> {
    const { random } = this;
    // By what it has beside it: the target of a copy into a file that is still to be made, or the medium of `change`.
    const files = type.members.some(({ name }) => name === 'mode' || name === 'arg');
    const value: Record<string, unknown> = {};
    for (const member of type.members) {
      // Optional ones seldom: each of them is a way to be refused.
      const wanted = Object.hasOwn(member, 'default') ? random.below(9) === 0 && depth < 5 : random.below(80) > 0;
      if (wanted) value[member.name] = this.#value(member.type, member.name === 'target' && files ? FILE_TARGET : member.name, depth + 1);
    }
    const variant = type.variants?.find((each) => each.case === value[type.tag ?? '']);
    if (variant !== undefined && depth < 8) Object.assign(value, this.#value(variant.type, '', depth + 1));
    if (random.below(80) === 0) value['bogus'] = 1;
    return value;
  }

  #builtin(kind: string, member: string): unknown {
    const { random, places } = this;
    switch (kind) {
      case 'boolean':
        return random.below(2) === 0;
      case 'int':
        // Under a limit of a few bytes a second `qemu-io` would take its hours.
        if (/^(bps|iops)/.test(member)) return random.pick([0, 1 << 30, -1]);
        // What is preallocated is really written.
        if (member === 'size') return random.pick([0, 1, 65536, 1 << 20, 1 << 20, 1 << 22, -1]);
        return random.pick([0, 1, 512, 4096, 65536, 1 << 20, 1 << 20, random.below(1 << 22), -1, 2 ** 40]);
      case 'number':
        return random.below(1000) / 10;
      case 'null':
        return null;
      case 'string':
        if (FILES.has(member)) return random.pick(places.files);
        return random.pick((random.below(12) > 0 ? places.members[member] : undefined) ?? places.names);
      default:
        return random.pick(HOSTILE);
    }
  }
}
