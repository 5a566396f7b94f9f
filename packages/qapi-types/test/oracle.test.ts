/** The reference daemon against the texts that the other tests hold us to. */
import { run, skipUnless } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { introspection, type SchemaInfo } from '../src/index.js';
import { JsonStream, type JsonObject } from '../src/json.js';
import { expand } from './expand.js';
import { blockdevAdd, blockdevOption, nbdServerStart } from './observed.js';

const tools = skipUnless('qemu-storage-daemon');
const monitor = ['--chardev', 'stdio,id=c', '--monitor', 'chardev=c'];

async function converse(lines: readonly string[]): Promise<JsonObject[]> {
  const input = ['{"execute":"qmp_capabilities"}', ...lines, '{"execute":"quit"}', ''].join('\n');
  const { stdout } = await run('qemu-storage-daemon', monitor, { input });
  const answers: JsonObject[] = [];
  const stream = new JsonStream({
    onValue: (value) => answers.push(value as JsonObject),
    onError: (error) => expect.fail(error.desc),
  });
  stream.push(new TextEncoder().encode(stdout));
  return answers.slice(2, 2 + lines.length);
}

describe.skipIf(tools.skip)(tools.title('qemu-storage-daemon'), () => {
  it('words the refusals of values so', async () => {
    const cases = [
      ...blockdevAdd.map(([text, desc]) => ({ text: `{"execute":"blockdev-add","arguments":${text}}`, desc })),
      ...nbdServerStart.map(([text, desc]) => ({ text: `{"execute":"nbd-server-start","arguments":${text}}`, desc })),
    ];
    const answers = await converse(cases.map(({ text }) => text));
    const told = answers.map((answer, index) => [cases[index].text, answer.error]);
    expect(told).toEqual(cases.map(({ text, desc }) => [text, { class: 'GenericError', desc }]));
  });

  it('words the refusals of options so', async () => {
    for (const [text, desc] of blockdevOption) {
      const { stderr } = await run('qemu-storage-daemon', ['--blockdev', text, ...monitor], { input: '' });
      expect(stderr.trim()).toBe(`qemu-storage-daemon: --blockdev ${text}: ${desc}`);
    }
  });

  it('describes what both have in the same way', async () => {
    const [answer] = await converse(['{"execute":"query-qmp-schema"}']);
    const theirs = answer.return as unknown as SchemaInfo[];
    const ours = introspection();
    const both = [
      'query-version', 'query-commands', 'quit', 'qmp_capabilities', 'nbd-server-stop', 'nbd-server-remove', 'nbd-server-add',
      'block-job-pause', 'block-job-resume', 'block-job-complete', 'block-job-cancel', 'block-job-set-speed', 'change-backing-file',
      'block-set-write-threshold', 'BLOCK_WRITE_THRESHOLD', 'BLOCK_IMAGE_CORRUPTED', 'blockdev-del', 'block_resize',
    ];
    for (const name of both) expect(expand(ours, name)).toEqual(expand(theirs, name));
  });
});
