// The images that workloads start from: made once, then read only, since a source that was written measures something else.
import { chmodSync, closeSync, copyFileSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bochsImage, cloopImage, dmgImage } from '@blk/image-writers';
import { prng, qemuImg, run, type RunResult } from '@blk/oracle';
import type { Source } from './workload.js';

/** Makes and finds sources in one folder. */
export interface Sources {
  /** The path of a source, which is made the first time. */
  get(source: Source): Promise<string>;
  /** A copy of a source to write to. */
  copy(source: Source, name: string): Promise<string>;
}

export function sourcesIn(dir: string): Sources {
  const get = async (source: Source): Promise<string> => {
    const path = join(dir, source);
    if (existsSync(path)) return path;
    const part = `${path}.part`;
    await makers[source](part, get);
    renameSync(part, path);
    chmodSync(path, isDirectory(source) ? 0o555 : 0o444);
    return path;
  };
  return {
    get,
    copy: async (source, name) => {
      const path = join(dir, name);
      copyFileSync(await get(source), path);
      chmodSync(path, 0o644);
      return path;
    },
  };
}

/** The format of a source; a directory is a raw disk, by its other name. */
export const formatOf = (source: Source): string => (isDirectory(source) ? 'raw' : source.slice(source.lastIndexOf('.') + 1));

export const isDirectory = (source: Source): boolean => source.endsWith('.dir');

type Maker = (path: string, get: (source: Source) => Promise<string>) => Promise<void>;

const MiB = 1024 * 1024;
const DMG_CHUNK = MiB / 4;

/** What opens the container that is encrypted. */
export const SECRET = ['--object', 'secret,id=s,data=bench'] as const;

const makers: Record<Source, Maker> = {
  'full.raw': (path) => write(path, 1024 * MiB, (random, block) => random.fill(block)),
  'full.qcow2': async (path, get) => convert('raw', await get('full.raw'), path, []),
  'long.raw': (path) => write(path, 2048 * MiB, (random, block) => random.fill(block)),
  'long.qcow2': async (path, get) => convert('raw', await get('long.raw'), path, []),
  'full.luks': async (path) => {
    await need(qemuImg('create', '-q', '-f', 'luks', ...SECRET, '-o', 'key-secret=s,iter-time=200', path, '512M'));
    await need(run('qemu-io', [...SECRET, '--image-opts', `driver=luks,key-secret=s,file.filename=${path}`, '-c', 'write -q -P 7 0 512M']));
  },
  // 64 KiB of data at the front of every 256 KiB.
  'sparse.raw': (path) =>
    write(path, 2048 * MiB, (random, block, offset) => (offset % (256 * 1024) === 0 ? random.fill(block) : undefined), 64 * 1024),
  'sparse.qcow2': async (path, get) => convert('raw', await get('sparse.raw'), path, []),
  'fragmented.raw': (path) =>
    write(path, 512 * MiB, (random, block) => {
      random.fill(block);
      for (let at = 4096; at < block.length; at += 8192) block.fill(0, at, at + 4096);
      return block;
    }),
  'text.raw': (path) => write(path, 128 * MiB, (random, block) => fillWithText(random, block)),
  'long-text.raw': (path) => write(path, 512 * MiB, (random, block) => fillWithText(random, block)),
  'long-text.qcow2': async (path, get) => convert('raw', await get('long-text.raw'), path, ['-c']),
  ...inOtherFormats(),
  'long-text-zstd.qcow2': async (path, get) => convert('raw', await get('long-text.raw'), path, ['-c', '-o', 'compression_type=zstd']),
};

/** The same content in other formats. */
function inOtherFormats() {
  const by = (from: Source, ...words: readonly string[]): Maker => async (path, get) => need(qemuImg('convert', '-f', 'raw', ...words, await get(from), path));
  return {
    'long.vdi': by('long.raw', '-O', 'vdi'),
    'long.vpc': by('long.raw', '-O', 'vpc', '-o', 'force_size=on'),
    'long.vhdx': by('long.raw', '-O', 'vhdx'),
    'long.parallels': by('long.raw', '-O', 'parallels'),
    'long.qed': by('long.raw', '-O', 'qed'),
    'long.qcow': by('long.raw', '-O', 'qcow'),
    'long.vmdk': by('long.raw', '-O', 'vmdk'),
    'long-text.vmdk': by('long-text.raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized'),
    'long-text.cloop': async (path, get) => {
      writeFileSync(path, cloopImage(readFileSync(await get('long-text.raw'))));
    },
    // The reference reads it sector by sector: 512 MiB took it more than 100 s.
    'short.bochs': async (path, get) => {
      writeFileSync(path, bochsImage(readFileSync(await get('text.raw')).subarray(0, 16 * MiB), { extentSize: MiB }));
    },
    'small-files.dir': (path) => {
      const random = prng(3);
      for (let file = 0; file < 5000; file++) {
        const folder = join(path, `folder ${Math.floor(file / 100)}`);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `file number ${file % 100}.txt`), random.bytes(512 + random.below(7681)));
      }
      return Promise.resolve();
    },
    // As the system of that name packs by default: zlib, chunks of 256 KiB.
    'long-text.dmg': async (path, get) => {
      const content = readFileSync(await get('long-text.raw'));
      const chunks = Array.from({ length: content.length / DMG_CHUNK }, (_, at) => ({ kind: 'zlib', content: content.subarray(at * DMG_CHUNK, (at + 1) * DMG_CHUNK) }) as const);
      writeFileSync(path, dmgImage([{ chunks }]));
    },
  } satisfies Partial<Record<Source, Maker>>;
}

async function write(
  path: string, size: number, fill: (random: ReturnType<typeof prng>, block: Uint8Array, offset: number) => Uint8Array | undefined, step = MiB,
): Promise<void> {
  const random = prng(1);
  const block = new Uint8Array(step);
  const file = openSync(path, 'w');
  try {
    for (let offset = 0; offset < size; offset += step) {
      const data = fill(random, block, offset);
      if (data !== undefined) writeSync(file, data, 0, data.length, offset);
    }
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
  return Promise.resolve();
}

/** Words of a made-up language; deflate takes them to about two fifths, as it does a tree of programs. */
function fillWithText(random: ReturnType<typeof prng>, block: Uint8Array): Uint8Array {
  for (let at = 0; at < block.length; ) {
    // The least of four: few words are common, most are rare.
    const word = words[Math.min(...[0, 0, 0, 0].map(() => random.below(words.length)))];
    block.set(word.subarray(0, block.length - at), at);
    at += word.length;
  }
  return block;
}

const words = ((): Uint8Array[] => {
  const random = prng(2);
  return Array.from({ length: 1024 }, () => {
    const word = new Uint8Array(3 + random.below(9)).map(() => 97 + random.below(26));
    word[word.length - 1] = 32;
    return word;
  });
})();

async function convert(from: string, source: string, path: string, extra: readonly string[]): Promise<void> {
  await need(qemuImg('convert', '-f', from, '-O', 'qcow2', ...extra, source, path));
}

async function need(made: Promise<RunResult>): Promise<void> {
  const { code, stderr } = await made;
  if (code !== 0) throw new Error(`cannot make a source: ${stderr}`);
}
