import { qemuImg, skipUnless } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { parseSecretObject, passphrase, secretBytes, SecretStore } from '../src/index.js';

const read = (): never => {
  throw new Error('no files here');
};
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const KEY = Buffer.alloc(32, 7);
const IV = Buffer.alloc(16, 9);

async function encrypted(plain: string): Promise<string> {
  const key = await crypto.subtle.importKey('raw', KEY, 'AES-CBC', false, ['encrypt']);
  return Buffer.from(await crypto.subtle.encrypt({ name: 'AES-CBC', iv: IV }, key, Buffer.from(plain))).toString('base64');
}

describe('secrets', () => {
  test('as text, as base64, from a file', async () => {
    const { lookup } = new SecretStore();
    expect(text(await secretBytes({ data: 'x,y' }, read, lookup))).toBe('x,y');
    expect(text(await secretBytes({ data: 'bGV0\nbWVpbg==', format: 'base64' }, read, lookup))).toBe('letmein');
    expect(text(await secretBytes({ file: 'f', format: 'base64' }, () => Buffer.from('YWJj\n'), lookup))).toBe('abc');
  });

  test.each(['', 'letmein', 'x'.repeat(15), 'x'.repeat(16), 'x'.repeat(100)])('encrypted with another: %j', async (plain) => {
    const store = new SecretStore();
    store.add('master', KEY);
    const options = { data: await encrypted(plain), format: 'base64', keyid: 'master', iv: IV.toString('base64') };
    expect(text(await secretBytes(options, read, store.lookup))).toBe(plain);
    store.add('other', Buffer.alloc(32, 8));
    await expect(secretBytes({ ...options, keyid: 'other' }, read, store.lookup)).rejects.toThrow('Wrong padding');
  });

  test('what is wrong with a secret is said without the secret', async () => {
    const store = new SecretStore();
    store.add('short', Buffer.from('hunter2'));
    store.add('master', KEY);
    const cases: [Parameters<typeof secretBytes>[0], string][] = [
      [{}, "Either 'file' or 'data' must be provided"],
      [{ data: 'hunter2', file: 'f' }, "'file' and 'data' are mutually exclusive"],
      [{ data: 'hunter2', format: 'hex' }, "Parameter 'format' does not accept value 'hex'"],
      [{ data: 'hunter2!', format: 'base64' }, 'Base64 data contains invalid characters'],
      [{ data: 'hunter2', format: 'base64' }, 'Base64 data is not valid'],
      [{ data: 'hunter2', keyid: 'none' }, "No secret with id 'none'"],
      [{ data: 'hunter2', keyid: 'short' }, 'Key should be 32 bytes in length'],
      [{ data: 'hunter2', keyid: 'master' }, 'IV is required to decrypt secret'],
      [{ data: 'hunter2', keyid: 'master', iv: 'AAAA' }, 'IV should be 16 bytes in length not 3'],
      [{ data: 'hunter2', keyid: 'master', iv: IV.toString('base64') }, 'Length 7 must be a multiple of block size 16'],
    ];
    for (const [options, message] of cases) await expect(secretBytes(options, read, store.lookup), message).rejects.toMatchObject({ kind: message.startsWith('No') ? 'not-found' : 'invalid-argument', message });
    store.add('bytes', Uint8Array.of(0x61, 0xff));
    await expect(passphrase(store.lookup, 'bytes')).rejects.toThrow('Data from secret bytes is not valid UTF-8');
    expect(() => { store.add('bytes', KEY); }).toThrow("attempt to add duplicate property 'bytes' to object (type 'container')");
  });

  test('members of the object', () => {
    expect(parseSecretObject({ id: 's', data: 'x' })).toEqual({ id: 's', options: { data: 'x' } });
    expect(() => parseSecretObject({ data: 'x' })).toThrow("Parameter 'id' is missing");
    expect(() => parseSecretObject({ id: '1s', data: 'x' })).toThrow("Parameter 'id' expects an identifier");
    expect(() => parseSecretObject({ id: 's', data: 1 })).toThrow("Invalid parameter type for 'data', expected: string");
    expect(() => parseSecretObject({ id: 's', bogus: 'x' })).toThrow("Parameter 'bogus' is unexpected");
  });
});

const oracle = skipUnless('qemu-img');

describe.skipIf(oracle.skip)(oracle.title('as the reference takes them'), () => {
  test('an encrypted secret decrypts there as well', async () => {
    const master = `secret,id=m,format=base64,data=${KEY.toString('base64')}`;
    const secret = `secret,id=s,keyid=m,format=base64,data=${await encrypted('letmein')},iv=${IV.toString('base64')}`;
    expect((await qemuImg('info', '--object', master, '--object', secret, '/dev/null')).code).toBe(0);
    expect((await qemuImg('info', '--object', master, '--object', secret.replace('data=', 'data=AAAA'), '/dev/null')).code).toBe(1);
  });
});
