import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { message, imageReader, resize } from './readme-example.js';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const tools = skipUnless('qemu-storage-daemon');

it('the example stands in the README as it runs here', () => {
  expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme-example.ts')}\`\`\``);
  const seen: unknown[] = [];
  const text = '{"filename": "a", "format": "raw", "virtual-size": 9007199254740993}';
  imageReader((...image) => seen.push(image)).push(new TextEncoder().encode(text));
  expect(seen).toEqual([['raw', 9007199254740993n]]);
});

describe.skipIf(tools.skip)(tools.title('its message'), () => {
  it('is understood by a real monitor', async () => {
    using dir = tempDir();
    const file = dir.file('disk.img');
    writeFileSync(file, new Uint8Array(512));
    const blockdev = ['--blockdev', `raw,node-name=disk0,file.driver=file,file.filename=${file}`];
    const input = message('qmp_capabilities', {}) + resize + message('quit', {});
    await run('qemu-storage-daemon', [...blockdev, '--chardev', 'stdio,id=c', '--monitor', 'chardev=c'], { input });
    expect(statSync(file).size).toBe(2 ** 33);
  });
});
