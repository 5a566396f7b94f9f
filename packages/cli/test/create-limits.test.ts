// What `create` and its like say where an image can't be: devices without room, names of formats, options that are too large.
import { existsSync, statSync } from 'node:fs';
import { tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn } from './img-support.js';

const SECRET = ['--object', 'secret,id=s,data=x'];

describe('images that can not be', () => {
  test.each([
    [['create', '-q', '-f', 'qcow2', '/dev/null', '1M'], '/dev/null: Too small for the image: there are 0 bytes, and no more can be added'],
    [['create', '-q', '-f', 'raw', '/dev/null', '1M'], '/dev/null: Cannot grow device files'],
    [['resize', '-f', 'raw', '/dev/null', '1M'], 'Cannot grow device files'],
    [['create', '-q', '-f', 'vmdk', 'n', '0'], 'n: Image size is too small, cannot be zero length'],
    [['create', '-q', '-f', 'vmdk', 'n', '1025T'], "n: The image size is too large for file format 'vmdk'"],
    [['create', '-q', '-f', 'qcow2', '-u', '-F', 'bogus', '-b', 'none', 'n', '1M'], "n: Parameter 'backing-fmt' does not accept value 'bogus'"],
    [['create', '-q', '-f', 'raw', '-o', 'extent_size_hint=4G', 'n', '1M'], 'n: Extent size hint is too large'],
    [['create', '-q', '-f', 'raw', '-o', 'extent_size_hint=9999P', 'n', '1M'], "n: Parameter 'extent_size_hint' is 11257873168519397000, beyond the limit of 9007199254740991"],
    [['create', '-q', '-f', 'qed', '-o', 'cluster_size=8E', 'n', '1M'], "n: Parameter 'cluster_size' is 9223372036854776000, beyond the limit of 9007199254740991"],
  ])('%j', async (words, message) => {
    using dir = tempDir();
    expect(await oursIn(words, dir.path)).toEqual({ code: 1, stdout: '', stderr: `qemu-img: ${message}\n` });
    expect(existsSync(dir.file('n'))).toBe(false);
  });

  test('the line about a creation shows numbers of 64 bits as they are', async () => {
    using dir = tempDir();
    const { stdout } = await oursIn(['create', '-f', 'raw', '-o', 'extent_size_hint=8E', 'n', '1M'], dir.path);
    expect(stdout).toBe("Formatting 'n', fmt=raw size=1048576 extent_size_hint=-9223372036854775808\n");
  });
});

test.each([['off', false], ['metadata', false], ['falloc', true], ['full', true]])('preallocation=%s of a LUKS container', async (mode, taken) => {
  using dir = tempDir();
  const words = ['create', '-q', ...SECRET, '-f', 'luks', '-o', `key-secret=s,iter-time=1,preallocation=${mode}`, 'n', '5M'];
  expect(await oursIn(words, dir.path)).toEqual({ code: 0, stdout: '', stderr: '' });
  const { blocks, size } = statSync(dir.file('n'));
  expect(blocks * 512 >= size).toBe(taken);
});
