/** The driver values `null-co` and `null-aio`: their options, and the file names that mean them. */
import { BlockError, defineDriver, type BlockDriver } from '@blk/core-graph';
import { NullNode } from './node.js';

interface NullOptions {
  /** Bytes. */
  readonly size?: number;
  /** Nanoseconds that every request takes. */
  readonly 'latency-ns'?: number;
  readonly 'read-zeroes'?: boolean;
}

const DEFAULT_SIZE = 2 ** 30;

/** A disk that forgets what is written; requests complete at once. */
export const nullCo = nullDriver('null-co');

/** The same under its other name. QEMU completes these requests through its event loop; here both are one. */
export const nullAio = nullDriver('null-aio');

function nullDriver(name: string): BlockDriver {
  const onlyName = `${name}://`;
  return defineDriver<NullOptions>({
    name,
    role: 'protocol',
    options: { size: { type: 'size' }, 'latency-ns': { type: 'int' }, 'read-zeroes': { type: 'bool' } },
    schemes: [name],

    parseFilename(filename) {
      if (filename !== onlyName) {
        throw new BlockError('invalid-argument', `The only allowed filename for this driver is '${onlyName}'`, { driver: name });
      }
      return {};
    },

    async open(options, context) {
      const { size = DEFAULT_SIZE, 'latency-ns': latency = 0, 'read-zeroes': readZeroes = false } = options;
      if (latency < 0) throw new BlockError('invalid-argument', 'latency-ns is invalid', { driver: name });
      return new NullNode({ size, latency, readZeroes, filename: onlyName }, context.host);
    },
  });
}
