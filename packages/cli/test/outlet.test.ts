/** What a program says, whatever takes it: nothing is lost or told twice. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { Outlet } from '../src/entry/outlet.js';

const clean: (() => void)[] = [];
afterEach(() => {
  for (const undo of clean.splice(0).reverse()) undo();
});

/** A descriptor that takes 64 KiB and then says that it would have to wait. */
function fullSoon(): number {
  const folder = mkdtempSync(join(tmpdir(), 'blk-outlet-'));
  clean.push(() => { rmSync(folder, { recursive: true }); });
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const fd = openSync(join(folder, 'pipe'), constants.O_RDWR | constants.O_NONBLOCK);
  clean.push(() => { closeSync(fd); });
  return fd;
}

function collector(): { readonly stream: NodeJS.WriteStream; readonly text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream: stream as NodeJS.WriteStream, text: () => Buffer.concat(chunks).toString() };
}

describe.skipIf(process.platform === 'win32')('an outlet', () => {
  test('goes over to the stream where the descriptor does not wait, and stays there', async () => {
    const fd = fullSoon();
    const { stream, text } = collector();
    const outlet = new Outlet(fd, () => stream, (error) => { throw error; });
    const long = 'äöü-0123456789\n'.repeat(10_000);
    outlet.text('first\n');
    outlet.text(long);
    outlet.text('last\n');
    await outlet.bytes(Buffer.from('bytes\n'));
    await new Promise<void>((resolve) => { outlet.finish(resolve); });
    const taken = Buffer.alloc(1 << 20);
    const length = readSync(fd, taken, 0, taken.length, null);
    expect(length).toBeGreaterThan(0);
    expect(Buffer.concat([taken.subarray(0, length), Buffer.from(text())]).length).toBe(Buffer.byteLength(`first\n${long}last\nbytes\n`));
    expect(taken.toString('utf8', 0, length) + text()).toContain('first\nä');
    expect(text().endsWith('last\nbytes\n')).toBe(true);
  });

  test('tells when nobody takes anything any more', () => {
    const failures: (string | undefined)[] = [];
    const outlet = new Outlet(-1, () => collector().stream, ({ code }) => failures.push(code));
    outlet.text('x');
    expect(failures).toHaveLength(1);
    // Without words there is nothing to fail.
    outlet.text('');
    expect(failures).toHaveLength(1);
  });
});
