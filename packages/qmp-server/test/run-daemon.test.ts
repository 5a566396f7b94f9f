// The daemon as a function, inside of another program: its streams, its drivers, its way to be stopped; objects and drives.
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { tempDir } from '@blk/oracle';
import { runDaemon, type BlkServer, type DaemonIo } from '../src/index.js';
import { connectMonitor } from './daemon-process.js';
import { drivers, sink } from './support.js';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the daemon until it is ready, hands its server over, and stops it. */
async function embedded(argv: readonly string[], ready: (server: BlkServer) => Promise<void> | void = () => undefined, more: Partial<DaemonIo> = {}): Promise<Outcome> {
  const [stdout, stderr, stop] = [sink(), sink(), new AbortController()];
  const code = await runDaemon(argv, {
    program: 'blk serve',
    drivers,
    stdin: new PassThrough(),
    stdout,
    stderr,
    signal: stop.signal,
    ready: async (server) => {
      try {
        await ready(server);
      } finally {
        stop.abort();
      }
    },
    ...more,
  });
  return { code, stdout: stdout.written, stderr: stderr.written };
}

describe('inside of another program', () => {
  test('prints under the name that it is given, and leaves the process alone', async () => {
    const listeners = process.listenerCount('SIGTERM');
    expect(await embedded(['--blockdev', 'null-co'])).toEqual({
      code: 1,
      stdout: '',
      stderr: "blk serve: --blockdev null-co: 'node-name' must be specified for the root node\n",
    });
    expect((await embedded(['--version'])).stdout).toMatch(/^blk serve version/);
    expect(await embedded([], () => { expect(process.listenerCount('SIGTERM')).toBe(listeners); })).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('ends when a client says quit', async () => {
    using dir = tempDir();
    const outcome = embedded(['--chardev', `socket,id=m,path=${dir.file('qmp')},server=on,wait=off`, '--monitor', 'm'], undefined, {
      signal: new AbortController().signal,
      ready: async () => {
        const client = await connectMonitor(dir.file('qmp'));
        await client.execute('quit');
      },
    });
    expect(await outcome).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(dir.file('qmp'))).toBe(false);
  });

  test('a failed flush is a line and an exit code', async () => {
    const outcome = await embedded(['--blockdev', 'null-co,node-name=n'], (server) => {
      server.graph.node('n').flush = () => {
        throw new Error('the disk is gone');
      };
    });
    expect(outcome).toEqual({ code: 1, stdout: '', stderr: 'blk serve: cannot flush: the disk is gone\n' });
  });
});

describe('objects', () => {
  test('secrets from text, files and base64', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('secret'), 'c2VjcmV0\n');
    await embedded(
      ['--object', 'secret,id=a,data=x,,y', '--object', `secret,id=b,file=${dir.file('secret')},format=base64`, '--object', '{"qom-type":"secret","id":"c","data":"{"}'],
      (server) => {
        expect(['a', 'b', 'c'].map((id) => Buffer.from(server.objects.secret(id)).toString())).toEqual(['x,y', 'secret', '{']);
        expect(() => server.objects.secret('d')).toThrow("No secret with id 'd'");
      },
    );
  });

  test('TLS credentials for the NBD server', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), 'alice:0102\nqemu:0304\n');
    chmodSync(dir.file('keys.psk'), 0o600);
    const creds = (endpoint: string): string[] => ['--object', `tls-creds-psk,id=t,dir=${dir.path},endpoint=${endpoint}`];
    const server = ['--nbd-server', `addr.type=unix,addr.path=${dir.file('nbd')},tls-creds=t`];
    expect(await embedded([...creds('server'), ...server], ({ exports }) => { expect(exports.nbd?.tls).toBeDefined(); })).toMatchObject({ code: 0, stderr: '' });
    expect((await embedded([...creds('client'), ...server])).stderr).toContain('Expecting TLS credentials with a server endpoint');
    expect((await embedded([...creds('client').map((option) => `${option}${option.startsWith('--') ? '' : ',username=bob'}`)])).stderr).toContain(
      `Username bob not found in PSK file ${dir.file('keys.psk')}`,
    );
  });

  test.each([
    ['secret', "Parameter 'id' is missing"],
    ['foo,id=x', "Parameter 'qom-type' does not accept value 'foo'"],
    ['id=x', "Parameter 'qom-type' is missing"],
    ['secret,id=0', "Parameter 'id' expects an identifier"],
    ['secret,id=s,data=a,file=b', "'file' and 'data' are mutually exclusive"],
    ['secret,id=s,data=?,format=base64', 'Base64 data contains invalid characters'],
    ['secret,id=s,data=a,,b,format=base64', 'Base64 data contains invalid characters'],
    ['secret,id=s,data=abc,format=base64', 'Base64 data is not valid'],
    ['secret,id=s,data=a,keyid=k', "No secret with id 'k'"],
    ['secret,id=s,data=a,bogus=1', "Parameter 'bogus' is unexpected"],
    ['secret,id=s,file=/nonexistent', 'Unable to read /nonexistent: Failed to open file “/nonexistent”: No such file or directory'],
    ['tls-creds-x509,id=t,endpoint=server', "Missing 'dir' property value"],
    ['tls-creds-x509,id=t,endpoint=both,dir=/', "Parameter 'endpoint' does not accept value 'both'"],
    ['iothread,id=i', "Objects of type 'iothread' are not supported"],
  ])('--object %s is refused: %s', async (object, text) => {
    const { code, stderr } = await embedded(['--object', object]);
    // What a secret is does not go into messages.
    expect(stderr).toContain(`blk serve: --object ${object.replace(/data=(a,,b|[^,]*)/, 'data=…')}: ${text}`);
    expect(code).toBe(1);
  });
});

describe('drives', () => {
  test.each([
    ['none', { writeback: true, direct: true, 'no-flush': false }],
    ['writeback', { writeback: true, direct: false, 'no-flush': false }],
    ['writethrough', { writeback: false, direct: false, 'no-flush': false }],
    ['directsync', { writeback: false, direct: true, 'no-flush': false }],
    ['unsafe', { writeback: true, direct: false, 'no-flush': true }],
  ])('cache=%s', async (mode, cache) => {
    const outcome = await embedded(['-drive', `file=null-co://,format=raw,id=d,cache=${mode}`], async (server) => {
      expect(await server.execute('query-block')).toMatchObject([{ device: 'd', inserted: { drv: 'raw', cache } }]);
    });
    expect(outcome.stderr).toBe('');
  });

  test('a format is guessed, options of driver and file are handed on, json: names are read', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('x'), Buffer.alloc(4096));
    const outcome = await embedded(
      [
        '-drive', `file=${dir.file('x')},id=a,readonly=on`,
        '-drive', `${dir.file('x')},driver=raw,id=b,size=512,file.locking=off,media=cdrom`,
        '-drive', `file=json:{"driver":"null-co",,"size":1024},format=raw,id=c`,
        '-drive', 'driver=null-co,id=d,size=2k,rerror=ignore,werror=enospc',
      ],
      async (server) => {
        const sizes = (await server.execute('query-block')).map(({ device, inserted }) => [device, inserted?.drv, inserted?.image['virtual-size'], inserted?.ro]);
        expect(sizes).toEqual([['a', 'raw', 4096, true], ['b', 'raw', 512, true], ['c', 'raw', 1024, false], ['d', 'null-co', 2048, false]]);
        expect(server.graph.backends.get('d')).toMatchObject({ readError: 'ignore', writeError: 'enospc' });
      },
    );
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test.each([
    ['file=null-co://,media=tape', "'tape' invalid media"],
    ['file=null-co://,format=raw,werror=panic', "'panic' invalid write error action"],
    ['file=null-co://,format=raw,rerror=enospc', "'enospc' invalid read error action"],
    ['file=null-co://,format=raw,aio=magic', 'invalid aio option'],
    ['file=null-co://,format=raw,snapshot=on', 'snapshot=on is not supported'],
    ['file=null-co://,format=raw,readonly=maybe', "Parameter 'readonly' expects 'on' or 'off'"],
    ['file=null-co://,format=nope', "Unknown driver 'nope'"],
    ['file=null-co://,format=raw,index=1', "Parameter 'index' needs a machine"],
    ['file=/nonexistent,format=raw', "Could not open '/nonexistent': No such file or directory"],
  ])('-drive %s is refused: %s', async (drive, text) => {
    const { code, stderr } = await embedded(['-drive', drive]);
    expect(stderr).toContain(`blk serve: -drive ${drive}: `);
    expect(stderr).toContain(text);
    expect(code).toBe(1);
  });
});
