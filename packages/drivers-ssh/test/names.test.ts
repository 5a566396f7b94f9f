// Names, options, and what a server's key is held against: no server needed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { BlockError, BlockGraph, type Definition } from '@blk/core-graph';
import { findTool, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { addressOf, parseSshName, sshUri } from '../src/address.js';
import { keyType, refusalOf } from '../src/host-key.js';
import type { HostKeyCheck } from '../src/host-key-check.js';
import { knownKeys, type KnownKey } from '../src/known-hosts.js';
import { ssh } from '../src/index.js';

describe('names', () => {
  it.each<readonly [string, Definition, string]>([
    ['ssh://h/x', { server: { host: 'h', port: '22' }, path: '/x' }, 'ssh://me@h:22/x'],
    ['ssh://u@h:77/x/y', { server: { host: 'h', port: '77' }, path: '/x/y', user: 'u' }, 'ssh://u@h:77/x/y'],
    ['ssh://[::1]:7/x', { server: { host: '::1', port: '7' }, path: '/x' }, 'ssh://me@[::1]:7/x'],
    ['ssh://h/a%20b%2ec', { server: { host: 'h', port: '22' }, path: '/a b.c' }, 'ssh://me@h:22/a b.c'],
    ['ssh://h/x?host_key_check=no', { server: { host: 'h', port: '22' }, path: '/x', host_key_check: 'no' }, 'ssh://me@h:22/x?host_key_check=no'],
    ['ssh://h/x?other=1#part', { server: { host: 'h', port: '22' }, path: '/x' }, 'ssh://me@h:22/x'],
    ['ssh://u:secret@h/x', { server: { host: 'h', port: '22' }, path: '/x', user: 'u' }, 'ssh://u@h:22/x'],
  ])('%s', (name, expected, shown) => {
    const options = parseSshName(name);
    expect(options).toEqual(expected);
    const address = addressOf(options);
    expect(sshUri(address, address.user ?? 'me')).toBe(shown);
  });

  it.each([
    ['ssh:x', 'missing hostname in URI'], ['ssh:///x', 'missing hostname in URI'], ['ssh://u@/x', 'missing hostname in URI'],
    ['ssh://h', 'missing remote path in URI'], ['ssh://h:1', 'missing remote path in URI'], ['ssh://h:99999/x', "Parameter 'port' expects a number between 1 and 65535"],
    ['ssh://h/%zz', 'No valid URL specified'], ['ssh://h/a b', 'No valid URL specified'], ['ssh://h:x/y', 'No valid URL specified'],
  ])('%s is none', (name, message) => {
    expect(() => parseSshName(name)).toThrow(message);
  });

  it('is a file or a BlockError, whatever is typed', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'ssh:/@[]?#%4a.host_key_check=no1 ') }), (rest) => {
      try {
        addressOf(parseSshName(`ssh:${rest}`));
      } catch (error) {
        expect(error).toBeInstanceOf(BlockError);
      }
    }), { seed: 1 });
  });

  const server = { host: 'h', port: '22' };
  it.each<readonly [Definition, string]>([
    [{ path: '/x' }, "Parameter 'server' is missing"],
    [{ server }, "Parameter 'path' is missing"],
    [{ server: { host: 'h' }, path: '/x' }, "Parameter 'server.port' is missing"],
    [{ server: { port: '1' }, path: '/x' }, "Parameter 'server.host' is missing"],
    [{ server: 'h', path: '/x' }, "Invalid parameter type for 'server', expected: object"],
    [{ port: '22', path: '/x' }, 'port may not be used without host'],
    [{ host: 'h', port: 'abc', path: '/x' }, "Parameter 'port' expects a number"],
    [{ server, path: '/x', host_key_check: 'foo' }, 'unknown host_key_check setting (foo)'],
    [{ server, path: '/x', host_key_check: 'md4:00' }, 'unknown host_key_check setting (md4:00)'],
    [{ server, path: '/x', 'host-key-check': { mode: 'foo' } }, "Parameter 'mode' does not accept value 'foo'"],
    [{ server, path: '/x', 'host-key-check': { mode: 'hash', type: 'md5' } }, "Parameter 'host-key-check.hash' is missing"],
    [{ server, path: '/x', 'host-key-check': { mode: 'hash', type: 'crc', hash: '' } }, "Parameter 'type' does not accept value 'crc'"],
  ])('%j is refused', async (options, message) => {
    const graph = new BlockGraph({ drivers: [ssh] });
    await expect(graph.open({ driver: 'ssh', ...options })).rejects.toThrow(message);
  });
});

/** A public key as on the wire, of this type and content. */
const keyOf = (type: string, content: string): Buffer => {
  const parts = [type, content].map((part) => Buffer.concat([Buffer.from([0, 0, 0, part.length]), Buffer.from(part)]));
  return Buffer.concat(parts);
};
const KEY = keyOf('ssh-ed25519', 'mine');
const BASE64 = KEY.toString('base64');
const LINE = `ssh-ed25519 ${BASE64}`;

describe('known_hosts', () => {
  const found = (text: string, host = 'disk.example', port = 22): number => knownKeys(text, host, port).length;

  it('knows names, lists, patterns and their negation', () => {
    expect(found(`disk.example ${LINE}\n`)).toBe(1);
    expect(found(`DISK.example,10.0.0.1 ${LINE}`, '10.0.0.1')).toBe(1);
    expect(found(`*.example ${LINE}`)).toBe(1);
    expect(found(`d?sk.* ${LINE}`)).toBe(1);
    expect(found(`*.example,!disk.example ${LINE}`)).toBe(0);
    expect(found(`disk ${LINE}`)).toBe(0);
    expect(found(`disk.example.com ${LINE}`)).toBe(0);
  });

  it('keeps ports apart', () => {
    expect(found(`[disk.example]:2222 ${LINE}`, 'disk.example', 2222)).toBe(1);
    expect(found(`disk.example ${LINE}`, 'disk.example', 2222)).toBe(0);
    expect(found(`[disk.example]:2222 ${LINE}`)).toBe(0);
  });

  it('passes over comments, certificates of authorities, and lines without sense', () => {
    expect(found(`# disk.example ${LINE}\n\n@cert-authority disk.example ${LINE}\ndisk.example\n|2|a|b ${LINE}\n|1| ${LINE}`)).toBe(0);
    expect(knownKeys(`@revoked disk.example ${LINE}`, 'disk.example', 22)).toEqual([{ type: 'ssh-ed25519', key: BASE64, revoked: true }]);
  });

  it('never fails, and takes no long time over hostile patterns', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (text, host) => { knownKeys(text, host, 22); }), { seed: 2 });
    expect(found(`${'*a'.repeat(2000)}b ${LINE}`, 'a'.repeat(5000))).toBe(0);
  });

  const needs = skipUnless('ssh-keygen');
  it.skipIf(needs.skip)(needs.title('knows hashed names as ssh-keygen makes them'), () => {
    using dir = tempDir();
    execFileSync(findTool('ssh-keygen') as string, ['-q', '-t', 'ed25519', '-N', '', '-f', dir.file('k')]);
    const [type, key] = readFileSync(dir.file('k.pub'), 'utf8').split(' ');
    writeFileSync(dir.file('known'), `disk.example,[other.example]:2222 ${type} ${key}\n`);
    execFileSync(findTool('ssh-keygen') as string, ['-q', '-H', '-f', dir.file('known')], { stdio: 'pipe' });
    const text = readFileSync(dir.file('known'), 'utf8');
    expect(text).not.toContain('example');
    expect(found(text)).toBe(1);
    expect(found(text, 'other.example', 2222)).toBe(1);
    expect(found(text, 'other.example')).toBe(0);
  });
});

describe('a key', () => {
  const verdict = (check: HostKeyCheck, known: readonly KnownKey[] = []): string | undefined => refusalOf(KEY, check, known, 'disk.example:22')?.message;
  const known = (type: string, key: string, revoked = false): KnownKey => ({ type, key, revoked });

  it('is believed when it is known, or nobody asks', () => {
    expect(verdict({ mode: 'none' })).toBeUndefined();
    expect(verdict({ mode: 'known_hosts' }, [known('ssh-rsa', 'x'), known('ssh-ed25519', BASE64)])).toBeUndefined();
  });

  it('that changed is named with its server', () => {
    const message = verdict({ mode: 'known_hosts' }, [known('ssh-ed25519', 'AAAA')]);
    expect(message).toMatch(/^host key \(ssh-ed25519 key with fingerprint SHA256:[A-Za-z0-9+/]{43}\) does not match the one in known_hosts; this may be a possible attack/);
    expect(message).toContain('disk.example:22');
  });

  it('of an unknown server, of another type, or revoked is not believed', () => {
    expect(verdict({ mode: 'known_hosts' })).toBe('no host key was found in known_hosts');
    expect(verdict({ mode: 'known_hosts' }, [known('ssh-rsa', 'AAAA')])).toBe('host key for this server not found, another type exists');
    expect(verdict({ mode: 'known_hosts' }, [known('ssh-ed25519', BASE64), known('ssh-ed25519', BASE64, true)])).toContain('is marked as revoked');
  });

  it.each(['md5', 'sha1', 'sha256'] as const)('has a fingerprint by %s, in either case and with colons', (type) => {
    const hash = createHash(type).update(KEY).digest('hex');
    for (const text of [hash, hash.toUpperCase(), hash.replace(/..(?=.)/g, '$&:')]) expect(verdict({ mode: 'hash', type, hash: text })).toBeUndefined();
    for (const text of ['', hash.slice(2), `${hash}00`]) {
      expect(verdict({ mode: 'hash', type, hash: text })).toBe(`remote host ssh-ed25519 key fingerprint '${type}:${hash}' does not match host_key_check '${type}:${text}'`);
    }
  });

  it('may be any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(keyType(bytes)).toMatch(/^[\x21-\x7e]{0,64}$/);
      expect(refusalOf(bytes, { mode: 'known_hosts' }, [], 'h:22')).toBeInstanceOf(BlockError);
    }), { seed: 3 });
  });
});
