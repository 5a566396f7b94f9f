/** The driver value `blkverify`: its options, and the file names that mean it. */
import { defineDriver } from '@blk/core-graph';
import { nameError } from './errors.js';
import { BlkverifyNode } from './node.js';

interface BlkverifyOptions {
  readonly test: unknown;
  readonly raw: unknown;
}

const PREFIX = 'blkverify:';

/** An image, and a raw copy of it that every request goes to as well: they must do the same. */
export const blkverify = defineDriver<BlkverifyOptions>({
  name: 'blkverify',
  role: 'protocol',
  options: {},
  children: { raw: 'required', test: 'required' },
  schemes: ['blkverify'],

  /** `blkverify:RAW:IMAGE`; the image's format is looked for, that of the raw one is not. */
  parseFilename(filename) {
    const names = filename.slice(PREFIX.length);
    const colon = names.indexOf(':');
    if (colon < 0) throw nameError();
    // What a protocol lies in is a protocol, unless it is spelled out: a name in JSON is opened as what its content looks like.
    return { raw: { filename: names.slice(0, colon) }, test: { filename: `json:${JSON.stringify({ filename: names.slice(colon + 1) })}` } };
  },

  async open(options, context) {
    const raw = await context.child('raw', options.raw, 'data');
    const test = await context.child('test', options.test, 'filtered');
    const name = (text: string): boolean => !text.startsWith('json:');
    const [rawName, testName] = [raw.node.filename, test.node.filename];
    return new BlkverifyNode({
      raw,
      test,
      pool: context.pool,
      warn: (message) => { context.warn(message); },
      filename: name(rawName) && name(testName) ? `${PREFIX}${rawName}:${testName}` : undefined,
    });
  },
});
