import { writeFileSync } from 'node:fs';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { readObjects } from '../src/objects.js';
import { oursIn, reference } from './img-support.js';
import { runMain } from './support.js';
import { ioMain } from '../src/io/main.js';

describe('objects of a command line', () => {
  test('secrets are found by their id', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('pw'), 'from a file');
    const { secrets: lookup } = (await readObjects(['secret,id=a,data=x,,y', `secret,id=b,file=${dir.file('pw')}`, '{"qom-type":"secret","id":"c","data":"{"}'])).options;
    const found = await Promise.all(['a', 'b', 'c'].map(async (id) => new TextDecoder().decode(await lookup?.(id))));
    expect(found).toEqual(['x,y', 'from a file', '{']);
    expect(() => lookup?.('d')).toThrow("No secret with id 'd'");
    expect((await readObjects([])).options.secrets).toBeUndefined();
  });

  test('credentials for TLS are found by their id and side', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), 'qemu:00ff\n');
    const objects = await readObjects([`tls-creds-psk,id=c,dir=${dir.path}`, `{"qom-type":"tls-creds-psk","id":"s","endpoint":"server","dir":"${dir.path}"}`, 'secret,id=x,data=']);
    expect(objects.credentials('c', 'client')).toMatchObject({ kind: 'psk', username: 'qemu' });
    expect(objects.credentials('s', 'server')).toMatchObject({ kind: 'psk' });
    expect(() => objects.credentials('s', 'client')).toThrow('Expected TLS credentials for a client endpoint');
    expect(() => objects.credentials('x', 'client')).toThrow("Object with id 'x' is not TLS credentials");
    expect(() => (objects.options.credentials?.('y'))).toThrow("No TLS credentials with id 'y'");
  });

  test('others are refused by name', async () => {
    await expect(readObjects(['authz-simple,id=a,identity=x'])).rejects.toThrow("Objects of type 'authz-simple' are not supported");
    await expect(readObjects(['tls-creds-anon,id=a,priority=NORMAL'])).rejects.toThrow("Parameter 'priority' is not supported");
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');
const WRONG = [
  ['secret,id=s'], ['secret'], ['secret,data=x'], ['secret,id=s,data=x,file=y'], ['secret,id=s,file=missing'], ['secret,id=s,data=x,format=hex'],
  ['secret,id=s,data=!,format=base64'], ['secret,id=s,data=x,keyid=k'], ['secret,id=k,data=x', 'secret,id=s,data=x,keyid=k'], ['foo,id=s'], ['id=s,data=x'],
  ['throttle-group'], ['throttle-group,id=9g'], ['throttle-group,id=g,foo=1'], ['throttle-group,id=g,limits.iops-total=x'],
  ['throttle-group,id=g,limits.iops-total=1,limits.iops-read=1'], ['throttle-group,id=g,x-iops-total-max=1'], ['throttle-group,id=g', 'throttle-group,id=g'],
  ['throttle-group,id=g', 'secret,id=g,data=x'], ['tls-creds-anon,id=g', 'secret,id=g,data=x'],
  ['tls-creds-psk,id=t'], ['tls-creds-psk'], ['tls-creds-psk,dir=/'], ['tls-creds-psk,id=9t,dir=/'], ['tls-creds-psk,id=t,dir=/nonexistent'],
  ['tls-creds-psk,id=t,dir=/,endpoint=both'], ['tls-creds-psk,id=t,dir=/,passwordid=x'], ['tls-creds-psk,id=t,dir=/,verify-peer=maybe'],
  ['tls-creds-psk,id=t,dir=/,endpoint=server,username=x'], ['tls-creds-x509,id=t'], ['tls-creds-x509,id=t,dir=/nonexistent'],
  ['tls-creds-x509,id=t,dir=/nonexistent,endpoint=server'], ['tls-creds-x509,id=t,dir=/nonexistent,verify-peer=off'], ['tls-creds-x509,id=t,dir=/,username=x'],
  ['tls-creds-anon'], ['tls-creds-anon,id=t,username=x'], ['tls-creds-foo,id=t'],
  ['secret,id=s,data=x,bad=1'], ['secret,id=9s,data=x'], ['secret,id=s,data=x', 'secret,id=s,data=y'], ['{"qom-type":"secret"'],
];

describe.skipIf(oracle.skip)(oracle.title('objects as the reference takes them'), () => {
  test.each(WRONG)('%s is refused in the same words', async (...texts) => {
    using dir = tempDir();
    const words = ['info', ...texts.flatMap((text) => ['--object', text]), '/dev/null'];
    const theirs = await reference(words, dir.path);
    expect(await oursIn(words, dir.path)).toEqual(theirs);
    expect(theirs.code).toBe(1);
    const io = [...texts.flatMap((text) => ['--object', text]), '-c', 'length', '/dev/null'];
    const { code, stderr } = await run('qemu-io', io, { cwd: dir.path });
    expect(await runMain(ioMain, 'qemu-io', io)).toMatchObject({ code, stderr });
  });
});
