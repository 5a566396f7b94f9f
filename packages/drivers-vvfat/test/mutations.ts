/** What a guest does to its file system, for good or ill, step by step. */
import type { Prng } from '@blk/oracle';
import { sumOf, type FatBytes, type Found } from './fat-bytes.js';

type Step = (fs: FatBytes, random: Prng) => string;

const NAMES = ['A', 'B.TXT', 'C', 'README.MD', 'S', 'T'];
const LONG = ['a', 'long name of a file.txt', 'Another One', 'S', 'x'.repeat(60)];
/** Short ones are eleven bytes. */
const HOSTILE_SHORT = ['..         ', '.          ', '../X       ', 'A\0B        ', '           ', 'CON        ', 'A.         ', 'a          ', '\x05BC        ', 'LINK       ', '\xffA         ', 'A       ..B', '/ETC       '];
const HOSTILE_LONG = ['..', '.', '../../outside/new', '/etc/new', 'a\0b', 'a/b', 'a\\b', 'half\ud800', 'dot.', 'space ', 'link', 'folder link', 'é'.repeat(200), 'x'.repeat(255), 'x'.repeat(260), '.blk-vvfat-0011223344556677.tmp', '', '\ufffd', 'CON', 'a\ufeff', '~', 'b\n'];

const pathsOf = (fs: FatBytes, wanted: (found: Found) => boolean = () => true): [string, Found][] => [...fs.files()].filter(([, found]) => wanted(found));
const isFile = ({ content }: Found): boolean => content !== null;
const some = (fs: FatBytes, random: Prng, wanted?: (found: Found) => boolean): [string, Found] => {
  const all = pathsOf(fs, wanted);
  if (all.length === 0) throw new Error('nothing there');
  return random.pick(all);
};

/** The first cluster of one of the folders; 0 for the root directory. */
function someFolder(fs: FatBytes, random: Prng): number {
  return random.pick([0, ...pathsOf(fs, (found) => !isFile(found)).map(([, { chain }]) => chain[0])]);
}

function fill(fs: FatBytes, chain: readonly number[], bytes: Uint8Array): void {
  for (const [index, cluster] of chain.entries()) {
    const part = bytes.subarray(index * fs.clusterBytes, (index + 1) * fs.clusterBytes);
    fs.bytes.set(part, fs.offset(cluster));
    fs.bytes.fill(0, fs.offset(cluster) + part.length, fs.offset(cluster + 1));
  }
}

/** The entry of a file, and where its content is. */
function newName(fs: FatBytes, random: Prng, entry: { attributes?: number; cluster: number; size: number }, folder = someFolder(fs, random)): string {
  const long = random.below(2) === 0 ? random.pick(LONG) : '';
  const short = long === '' ? random.pick(NAMES) : `N~${random.below(1e6)}`;
  const [base, extension = ''] = short.split('.') as [string, string?];
  fs.addEntry(folder, { ...entry, short: base.padEnd(8) + extension.padEnd(3), long });
  return `${folder}/${long || short}`;
}

const GOOD: Record<string, Step> = {
  make(fs, random) {
    const size = random.pick([0, 1, 511, 512, 513, fs.clusterBytes, fs.clusterBytes * 3, fs.clusterBytes + 77]);
    const chain = size === 0 ? [] : fs.allot(Math.ceil(size / fs.clusterBytes));
    fill(fs, chain, random.bytes(size));
    return newName(fs, random, { cluster: chain[0] ?? 0, size });
  },
  makeFolder(fs, random) {
    const folder = someFolder(fs, random);
    const chain = fs.allot(1);
    fill(fs, chain, new Uint8Array(0));
    fs.addEntry(chain[0], { short: '.', attributes: 16, cluster: chain[0], size: 0 });
    fs.addEntry(chain[0], { short: '..', attributes: 16, cluster: folder, size: 0 });
    return newName(fs, random, { attributes: 16, cluster: chain[0], size: 0 }, folder);
  },
  remove(fs, random) {
    const [path, found] = some(fs, random, isFile);
    fs.remove(found);
    return path;
  },
  removeAll(fs, random) {
    const [path] = some(fs, random, (found) => !isFile(found));
    for (const [one, found] of fs.files()) if (one === path || one.startsWith(`${path}/`)) fs.remove(found);
    return path;
  },
  rename(fs, random) {
    const [path, found] = some(fs, random, isFile);
    const size = fs.bytes.readUInt32LE(found.entry + 28);
    const cluster = fs.firstOf(found.entry);
    const name = newName(fs, random, { cluster, size });
    fs.remove(found, true);
    return `${path} to ${name}`;
  },
  overwrite(fs, random) {
    const [path, { chain }] = some(fs, random, ({ chain, content }) => content !== null && chain.length > 0);
    fs.bytes.set(random.bytes(random.pick([1, 512, 700])), fs.offset(random.pick(chain)));
    return path;
  },
  grow(fs, random) {
    const [path, { chain, entry, content }] = some(fs, random, ({ chain, content }) => content !== null && chain.length > 0);
    const more = fs.allot(1 + random.below(2));
    fs.link(chain.at(-1) ?? 0, more[0]);
    fill(fs, more, random.bytes(more.length * fs.clusterBytes));
    if (random.below(4) > 0) fs.bytes.writeUInt32LE((content?.length ?? 0) + random.below(more.length * fs.clusterBytes), entry + 28);
    return path;
  },
  cut(fs, random) {
    const [path, { chain, entry }] = some(fs, random, ({ chain, content }) => content !== null && chain.length > 1);
    const left = 1 + random.below(chain.length - 1);
    fs.link(chain[left - 1], fs.endOfChain);
    for (const cluster of chain.slice(left)) fs.link(cluster, 0);
    fs.bytes.writeUInt32LE(left * fs.clusterBytes - random.below(fs.clusterBytes), entry + 28);
    return path;
  },
  swap(fs, random) {
    const [[one, left], [other, right]] = [some(fs, random, isFile), some(fs, random, isFile)];
    const copy = Buffer.from(fs.bytes.subarray(left.entry + 20, left.entry + 32));
    fs.bytes.copy(fs.bytes, left.entry + 20, right.entry + 20, right.entry + 32);
    copy.copy(fs.bytes, right.entry + 20);
    return `${one} and ${other}`;
  },
};

const someSlot = (fs: FatBytes, random: Prng): number => {
  const slots = fs.slots(someFolder(fs, random));
  const used = slots.findIndex((at) => fs.bytes[at] === 0);
  return slots[random.below((used < 0 ? slots.length : used + 1) || 1)];
};
const someCluster = (random: Prng): number => 2 + random.below(random.pick([12, 60, 200]));

const BAD: Record<string, Step> = {
  link(fs, random) {
    const [from, to] = [someCluster(random), random.pick([0, 1, someCluster(random), fs.endOfChain, fs.endOfChain - 8, fs.endOfChain - 15, fs.last + 5, 0x0ffffff0])];
    fs.link(from, to, random.below(5) === 0 ? 1 : 2);
    return `${from} to ${to}`;
  },
  first(fs, random) {
    const [at, cluster] = [someSlot(fs, random), random.pick([0, 1, someCluster(random), 0xffffffff])];
    fs.setFirst(at, cluster);
    return `${at} ${cluster}`;
  },
  size(fs, random) {
    const at = someSlot(fs, random);
    fs.bytes.writeUInt32LE(random.pick([0, 1, 5000, 0xffffffff, 0x80000000, random.below(20_000)]), at + 28);
    return `${at}`;
  },
  attributes(fs, random) {
    const at = someSlot(fs, random);
    fs.bytes[at + 11] = random.pick([8, 15, 16, 24, 32, 0xff, 0x40, 0, random.below(256)]);
    return `${at} ${fs.bytes[at + 11]}`;
  },
  first_byte(fs, random) {
    const at = someSlot(fs, random);
    fs.bytes[at] = random.pick([0, 5, 0x2e, 0x2f, 0x41, 0x42, 0x53, 0xe5, 0xe5]);
    return `${at} ${fs.bytes[at]}`;
  },
  copy(fs, random) {
    const [from, to] = [someSlot(fs, random), someSlot(fs, random)];
    fs.bytes.copy(fs.bytes, to, from, from + 32);
    return `${from} to ${to}`;
  },
  byte(fs, random) {
    const at = someSlot(fs, random) + random.below(32);
    fs.bytes[at] = random.below(256);
    return `${at}`;
  },
  name(fs, random) {
    const long = random.below(3) > 0 ? random.pick(HOSTILE_LONG) : '';
    const short = random.below(2) === 0 || long === '' ? random.pick(HOSTILE_SHORT) : `H~${random.below(1e6)}`;
    fs.addEntry(someFolder(fs, random), { short, long, cluster: random.pick([0, 0, someCluster(random)]), size: random.pick([0, 0, 10]), attributes: random.pick([16, 32, 32, 32]) });
    return JSON.stringify([short, long]);
  },
  rename(fs, random) {
    const [path, { entry, firstSlot }] = some(fs, random);
    fs.bytes.write(random.pick(HOSTILE_SHORT), entry, 'latin1');
    // The long name may go with the new one.
    if (random.below(2) === 0) for (let at = firstSlot; at < entry; at += 32) fs.bytes[at + 13] = sumOf(fs.bytes.subarray(entry, entry + 32));
    return path;
  },
  boot(fs, random) {
    const at = random.pick([fs.start + random.below(64), fs.start + 510 + random.below(2), 446 + random.below(66)]);
    fs.bytes[at] = random.below(256);
    return `${at}`;
  },
  system(fs, random) {
    const at = 512 * random.below(fs.dataStart / 512);
    fs.bytes.set(random.bytes(random.pick([1, 3, 32, 512])), at);
    return `${at}`;
  },
  data(fs, random) {
    const cluster = someCluster(random);
    fs.bytes.set(random.bytes(random.pick([1, 32, 512])), fs.offset(cluster));
    return `${cluster}`;
  },
};

/** One step; `badness` of ten are bad ones. Those that are not possible do nothing. */
export function step(fs: FatBytes, random: Prng, badness: number): string {
  const from = random.below(10) < badness ? BAD : GOOD;
  const name = random.pick(Object.keys(from));
  const before = Buffer.from(fs.bytes);
  try {
    return `${name} ${from[name](fs, random)}`;
  } catch {
    // Nothing is there to be changed, or what is there does not fit together already.
    before.copy(fs.bytes);
    return `(${name})`;
  }
}
