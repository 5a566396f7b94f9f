import { run, skipUnless } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { ioMain } from '../src/io/main.js';
import { oursIn, reference } from './img-support.js';
import { runMain } from './support.js';

const GROUP = ['--object', 'throttle-group,id=g,limits.bps-total=1000000000'];
const image = (group: string): string => `driver=throttle,throttle-group=${group},file.driver=null-co,file.size=1M,file.read-zeroes=on`;
const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('images with limits'), () => {
  test.each(['g', 'nope'])('in group %s are opened, or refused, as by the reference', async (group) => {
    const io = [...GROUP, '--image-opts', image(group), '-c', 'length', '-c', 'write -P 1 0 4k'];
    const { code, stderr, stdout } = await run('qemu-io', io);
    const ours = await runMain(ioMain, 'qemu-io', io);
    expect([ours.code, ours.stderr, ours.stdout.split('\n')[0]]).toEqual([code, stderr, stdout.split('\n')[0]]);
    const map = ['map', ...GROUP, '--image-opts', image(group)];
    expect(await oursIn(map, '.')).toEqual(await reference(map, '.'));
  });
});
