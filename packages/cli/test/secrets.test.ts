import { writeFileSync } from 'node:fs';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { readSecrets } from '../src/secrets.js';
import { oursIn, reference } from './img-support.js';
import { runMain } from './support.js';
import { ioMain } from '../src/io/main.js';

describe('secrets of a command line', () => {
  test('are found by their id', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('pw'), 'from a file');
    const lookup = await readSecrets(['secret,id=a,data=x,,y', `secret,id=b,file=${dir.file('pw')}`, '{"qom-type":"secret","id":"c","data":"{"}'], []);
    const found = await Promise.all(['a', 'b', 'c'].map(async (id) => new TextDecoder().decode(await lookup?.(id))));
    expect(found).toEqual(['x,y', 'from a file', '{']);
    expect(() => lookup?.('d')).toThrow("No secret with id 'd'");
    expect(await readSecrets([])).toBeUndefined();
  });

  test('leave other objects to those who read them', async () => {
    await expect(readSecrets(['tls-creds-psk,id=t,dir=/'])).rejects.toThrow("Objects of type 'tls-creds-psk' are not supported");
    expect(await readSecrets(['tls-creds-psk,id=t,dir=/'], ['tls-creds-psk'])).toBeDefined();
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');
const WRONG = [
  ['secret,id=s'], ['secret'], ['secret,data=x'], ['secret,id=s,data=x,file=y'], ['secret,id=s,file=missing'], ['secret,id=s,data=x,format=hex'],
  ['secret,id=s,data=!,format=base64'], ['secret,id=s,data=x,keyid=k'], ['secret,id=k,data=x', 'secret,id=s,data=x,keyid=k'], ['foo,id=s'], ['id=s,data=x'],
  ['throttle-group'], ['throttle-group,id=9g'], ['throttle-group,id=g,foo=1'], ['throttle-group,id=g,limits.iops-total=x'],
  ['throttle-group,id=g,limits.iops-total=1,limits.iops-read=1'], ['throttle-group,id=g,x-iops-total-max=1'], ['throttle-group,id=g', 'throttle-group,id=g'],
  ['secret,id=s,data=x,bad=1'], ['secret,id=9s,data=x'], ['secret,id=s,data=x', 'secret,id=s,data=y'], ['{"qom-type":"secret"'],
];

describe.skipIf(oracle.skip)(oracle.title('secrets as the reference takes them'), () => {
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
