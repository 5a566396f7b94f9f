/** Power cuts: at any moment the image opens, and what was flushed is there. */
import { provePowerCuts } from '@blk/driver-conformance';
import { test } from 'vitest';
import { Bench } from './support.js';

test.each([[{}, false], [{}, true], [{ zeroed_grain: true }, true], [{ subformat: 'streamOptimized' }, false]])('requests on %o, late and several at a time: %s', async (options, late) => {
  for (let seed = 1; seed <= 2; seed++) {
    const bench = new Bench();
    await provePowerCuts(bench.subject(), await bench.create(2 << 20, options), { seed, cuts: 20, steps: 40, longest: 100 << 10, late });
  }
});
