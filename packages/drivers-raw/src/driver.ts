/** The driver value of `raw`: its options and their checks, recognition, creation. */
import { BlockError, defineDriver, type Preallocation } from '@blk/core-graph';
import { GuardedRawNode } from './guard.js';
import { RawNode } from './node.js';
import { streamRaw } from './stream.js';

interface RawOptions {
  readonly file: unknown;
  /** Bytes of the file before the image. */
  readonly offset?: number;
  /** Bytes of the image; up to the end of the file where absent. */
  readonly size?: number;
}

interface RawCreateOptions {
  readonly preallocation?: Preallocation;
}

/** Sizes that are given are counted in sectors of this many bytes. */
const SECTOR = 512;

/** A raw image: the bytes of its file, or a part of them. */
export const raw = defineDriver<RawOptions, RawCreateOptions>({
  name: 'raw',
  role: 'format',
  options: { offset: { type: 'size' }, size: { type: 'size' } },
  changeable: ['offset', 'size'],
  children: { file: 'required' },

  // Whatever no other format recognises.
  probe: () => 1,

  async open(options, context) {
    const { offset = 0, size } = options;
    if (size !== undefined && size % SECTOR !== 0) {
      throw rawError('size', `Specified size is not multiple of ${SECTOR}`);
    }
    const file = await context.child('file', options.file, 'filtered');
    checkRange(offset, size, file.size);
    if (!context.probed || context.readOnly) return new RawNode(file, offset, size);
    const name = file.node.filename;
    context.warn(
      `WARNING: Image format was not specified for '${name}' and probing guessed raw.\n` +
        '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n' +
        "         Specify the 'raw' format explicitly to remove the restrictions.",
    );
    return new GuardedRawNode(file, offset, size, (head) => context.formatOf(head, name));
  },

  createOptions: {
    preallocation: {
      type: { type: ['off', 'falloc', 'full'] },
      help: 'Preallocation mode (allowed values: off, falloc, full)',
    },
  },

  plain: true,
  stream: streamRaw,

  measure: ({ size }) => {
    const bytes = Math.ceil(size / SECTOR) * SECTOR;
    return Promise.resolve({ required: bytes, fullyAllocated: bytes });
  },

  async create(file, { size, preallocation = 'off' }, { work }) {
    // What was there already, because its protocol makes no files, may be larger.
    if (size > file.node.size) await file.node.truncate(size, { preallocation, work });
  },
});

/** The range has to lie inside the file when it is opened. Reworded by nobody: the texts are QEMU's. */
function checkRange(offset: number, size: number | undefined, fileSize: number): void {
  if (offset > fileSize) {
    throw rawError('offset', `Offset (${offset}) cannot be greater than size of the containing file (${fileSize})`);
  }
  if (size !== undefined && size > fileSize - offset) {
    throw rawError(
      'range',
      `The sum of offset (${offset}) and size (${size}) has to be smaller or equal to the  actual size of the containing file (${fileSize})`,
    );
  }
}

function rawError(defect: string, message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'raw', reason: `raw/${defect}` });
}
