/** What JavaScript gives where types are not looked at: each is named before anything is opened or made, and nothing is taken for "not given". */
import { describe, expect, it } from 'vitest';
import { BlockGraph, openImage, UNTRUSTED, type BlockDriver, type Definition } from '../src/index.js';
import { failure, MemFile, MemFiles, noise } from './support.js';

const files = new MemFiles();
files.put('x', new MemFile(noise(1000)));
const drivers = [files.driver];

async function refused(use: () => unknown): Promise<string | undefined> {
  const error = await failure(use);
  expect(error?.kind).toBe('invalid-argument');
  return error?.message;
}
const opening = (source: unknown, options: unknown): Promise<string | undefined> => refused(() => openImage(source as string, options as never));

describe('opening names', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'number'],
    [new Uint8Array(3), 'Uint8Array'],
    [new Blob([]), 'Blob'],
    [new URL('file:///x'), 'URL'],
    [['x'], 'Array'],
  ])('a source that is none: %s', async (source, found) => {
    expect(await opening(source, { drivers })).toBe(`An image is opened by its file name or its definition, such as { driver: 'file', filename: 'disk.img' }, found ${found}`);
  });

  it('options that are none, or have another type', async () => {
    expect(await opening('x', undefined)).toBe('What an image is opened with has to be an object, such as { drivers: [file, qcow2] }, found undefined');
    expect(await opening('x', { drivers, format: 5 })).toBe("'format' has to be the name of a format, found number");
    expect(await opening('x', { drivers, cache: 'none' })).toBe("'cache' has to be an object, found the string 'none'");
    expect(await opening('x', { drivers, signal: {} })).toBe("'signal' has to be an AbortSignal, found Object");
    expect(await refused(() => new BlockGraph(undefined as never))).toBe('What a graph is made with has to be an object, such as { drivers: [file, qcow2] }, found undefined');
  });

  it('an option that is only almost right', async () => {
    expect(await opening('x', { drivers, readOnly: true })).toMatch(/^There is no option 'readOnly' to open an image with; there are drivers, writable, format, /);
  });

  it('secrets that are no function, or give no bytes; never the secret', async () => {
    expect(await opening('x', { drivers, secrets: { a: 'b' } })).toBe("'secrets' has to be a function that is given an id, found Object");
    expect(await opening('x', { drivers, credentials: 'tls0' })).toBe("'credentials' has to be a function that is given an id, found the string 'tls0'");
    const given = (secret: unknown): BlockGraph => new BlockGraph({ drivers, secrets: () => secret as never });
    expect(await refused(() => given('passphrase').secret('s0'))).toBe("Secret 's0' has to be a Uint8Array, found string");
    expect(await refused(() => given(undefined).secret('s0'))).toBe("Secret 's0' has to be a Uint8Array, found undefined");
    expect(await given(Buffer.of(1)).secret('s0')).toEqual(Buffer.of(1));
  });

  it('a policy that lacks something, which would be allowed', async () => {
    expect(await opening('x', { drivers, policy: 'UNTRUSTED' })).toBe("'policy' has to be an object, found the string 'UNTRUSTED'");
    const words = "'maxMetadataBytes' of 'policy' has to be a number, found undefined; UNTRUSTED and TRUSTED have all that a policy needs";
    const partial = { ...UNTRUSTED, maxMetadataBytes: undefined };
    expect(await opening('x', { drivers, policy: partial })).toBe(words);
    expect(await refused(() => new BlockGraph({ drivers, policy: partial as never }))).toBe(words);
    expect(await refused(() => new BlockGraph({ drivers }).open('x', { policy: partial as never }))).toBe(words);
    await using open = await openImage('x', { drivers, format: 'mem', policy: UNTRUSTED });
    expect(open.size).toBe(1000);
  });
});

describe('creating names', () => {
  const creating = (filename: unknown, request: unknown): Promise<string | undefined> =>
    refused(() => new BlockGraph({ drivers }).create(filename as string, request as never));

  it('what is no file name, no request, no options', async () => {
    expect(await creating('y', undefined)).toBe("What is to be created has to be an object, such as { format: 'qcow2', size: 1048576 }, found undefined");
    expect(await creating(undefined, { format: 'mem', size: 1 })).toBe('A file name has to be a string, found undefined');
    expect(await creating('y', { format: 'mem', size: 1, options: 'a=b' })).toBe(
      "'options' has to be an object, such as { cluster_size: 65536 }, found the string 'a=b'",
    );
    expect(await creating('y', { format: 'mem', size: 1, signal: true })).toBe("'signal' has to be an AbortSignal, found boolean");
  });
});

describe('an image', () => {
  it('says nothing of what lies behind its end', async () => {
    await using open = await openImage('x', { drivers, format: 'mem' });
    for (const [offset, length] of [[1000, 1], [990, 11], [-1, 5], [0, NaN], [1001, undefined]]) {
      expect((await failure(() => open.extents(offset, length)))?.kind).toBe('out-of-range');
    }
    const lengths: number[] = [];
    for await (const extent of open.extents(990)) lengths.push(extent.length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(10);
  });

  it('is opened with the credentials that it was given', async () => {
    const given: unknown[] = [];
    const asks: BlockDriver = {
      ...files.driver,
      open: (options, context) => {
        given.push(context.credentials?.('tls0'));
        return files.driver.open(options, context);
      },
    };
    const credentials = { id: 'tls0' };
    const definition: Definition = { driver: 'mem', filename: 'x' };
    await using open = await openImage(definition, { drivers: [asks], credentials: () => credentials });
    expect([open.size, given]).toEqual([1000, [credentials]]);
  });
});
