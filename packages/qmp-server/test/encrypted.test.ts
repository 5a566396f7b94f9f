// Encrypted images that the reference wrote, opened over QMP by the secret of an object.
import { describe, expect, test } from 'vitest';
import { luks } from '@blk/drivers-luks';
import { qcow } from '@blk/drivers-qcow';
import { createImage, needTool, run, skipUnless, tempDir } from '@blk/oracle';
import { attach, drivers, testServer } from './support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(needs.skip)(needs.title('an encrypted image'), () => {
  test.each<[string, string, { 'key-secret'?: string; encrypt?: { format: string; 'key-secret': string } }]>([
    ['qcow2', 'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', { encrypt: { format: 'luks', 'key-secret': 'right' } }],
    ['qcow2', 'encrypt.format=aes,encrypt.key-secret=s', { encrypt: { format: 'aes', 'key-secret': 'right' } }],
    ['qcow', 'encrypt.format=aes,encrypt.key-secret=s', { encrypt: { format: 'aes', 'key-secret': 'right' } }],
    ['luks', 'key-secret=s,iter-time=10', { 'key-secret': 'right' }],
  ])('%s, made with %s', async (driver, creation, opening) => {
    using dir = tempDir();
    const path = dir.file('x');
    await createImage(path, driver, '1M', '--object', 'secret,id=s,data=open sesame', '-o', creation);
    const method = creation.startsWith('encrypt') ? `encrypt.format=${opening.encrypt?.format},encrypt.` : '';
    const options = `driver=${driver},file.filename=${path},${method}key-secret=s`;
    const args = ['--object', 'secret,id=s,data=open sesame', '--image-opts', options, '-c', 'write -P 5 64k 64k'];
    expect(await run(needTool('qemu-io'), args)).toMatchObject({ code: 0, stdout: expect.stringContaining('wrote 65536/65536') as string });

    let printed = '';
    await using server = await testServer({ drivers: [...drivers, luks, qcow], print: (text) => (printed += text) });
    const client = await attach(server).negotiate();
    await client.execute('object-add', { 'qom-type': 'secret', id: 'right', data: 'open sesame' });
    await client.execute('object-add', { 'qom-type': 'secret', id: 'wrong', data: 'open barley' });
    const add = (words: object): Promise<unknown> => client.execute('blockdev-add', { driver, 'node-name': 'n', file: { driver: 'file', filename: path }, ...words });
    const wrong = JSON.parse(JSON.stringify(opening).replace('right', 'wrong')) as object;
    // The old method has nothing to tell a wrong key by.
    if (!creation.includes('aes')) await expect(add(wrong)).rejects.toThrow('Invalid password, cannot unlock any keyslot');
    await expect(add(JSON.parse(JSON.stringify(opening).replace('right', 'none')) as object)).rejects.toThrow("No secret with id 'none'");
    await add(opening);
    await client.execute('human-monitor-command', { 'command-line': 'qemu-io n "read -P 5 64k 64k"' });
    expect(printed).toContain('read 65536/65536 bytes at offset 65536');
    expect(printed).not.toContain('failed');
  });
});
