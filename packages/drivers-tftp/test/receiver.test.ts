// Every order in which a network may bring packets, without a network.
import fc from 'fast-check';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { parsePacket, readRequest } from '../src/packet.js';
import { Receiver } from '../src/receiver.js';

const options = (given: Record<string, string>): { kind: 'options'; options: Map<string, string> } => ({ kind: 'options', options: new Map(Object.entries(given)) });

describe('packets', () => {
  it('are read, or none', () => {
    expect(parsePacket(Buffer.from('\0\x03\x01\x02abc', 'latin1'))).toMatchObject({ kind: 'data', block: 258 });
    expect(parsePacket(Buffer.from('\0\x05\0\x01gone\0more', 'latin1'))).toEqual({ kind: 'error', code: 1, text: 'gone' });
    expect(parsePacket(Buffer.from('\0\x06BlkSize\x001024\0', 'latin1'))).toEqual(options({ blksize: '1024' }));
    for (const none of ['', '\0', '\0\x03\0', '\0\x04\0\x01', '\0\x06a\0', '\0\x06a\0b', '\0\x06a\x001\0A\x002\0']) expect(parsePacket(Buffer.from(none, 'latin1'))).toBeUndefined();
    expect(readRequest('a/\xe4', { tsize: 0 }).toString('latin1')).toBe('\0\x01a/\xe4\0octet\0tsize\x000\0');
  });

  it('may be anything', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (packets) => {
      const receiver = new Receiver({ blksize: 16, windowsize: 4 });
      for (const bytes of packets) {
        const packet = parsePacket(Buffer.from(bytes));
        if (packet !== undefined) receiver.receive(packet);
      }
    }), { seed: 1 });
  });
});

describe('a receiver', () => {
  it.each([[8, 1], [8, 4], [16, 7]])('puts blocks of %d bytes in windows of %d together, whatever is lost, doubled and out of order', (blksize, windowsize) => {
    for (let seed = 0; seed < 20; seed++) {
      const random = prng(seed);
      const bytes = random.bytes(random.below(3000));
      const receiver = new Receiver({ blksize, windowsize });
      receiver.receive(options({ blksize: String(blksize), windowsize: String(windowsize) }));
      const got: Uint8Array[] = [];
      let over = false;
      for (let turn = 0; turn < 20_000 && !over; turn++) {
        // The last word always arrives in the end: silence makes it be said again.
        receiver.forgetGap();
        const first = receiver.reached ?? 0;
        const window = Array.from({ length: windowsize }, (_, i) => first + 1 + i).filter((block) => (block - 1) * blksize <= bytes.length);
        const arriving = window.filter(() => random.below(5) > 0).flatMap((block) => (random.below(6) === 0 ? [block, block] : [block]));
        if (random.below(4) === 0) arriving.reverse();
        if (random.below(4) === 0) arriving.push(Math.max(1, first - random.below(3)));
        for (const block of arriving) {
          const step = receiver.receive({ kind: 'data', block, data: bytes.subarray((block - 1) * blksize, block * blksize) });
          if (step.what !== 'take') continue;
          got.push(step.data);
          over = step.last;
          if (over) break;
        }
      }
      expect(over).toBe(true);
      expectSameBytes(Buffer.concat(got), bytes, `seed ${seed}`);
    }
  });

  it('counts on behind the last number that 16 bits hold', () => {
    const receiver = new Receiver({ blksize: 8, windowsize: 1 });
    receiver.receive(options({ blksize: '8' }));
    for (let block = 1; block < 140_000; block++) expect(receiver.receive({ kind: 'data', block: block & 0xffff, data: new Uint8Array(8) }).what).toBe('take');
    expect(receiver.receive({ kind: 'data', block: 140_000 & 0xffff, data: new Uint8Array(3) })).toMatchObject({ what: 'take', last: true });
  });

  it.each([
    [{ foo: '1' }, "The server grants what nobody asked for: 'foo'"],
    [{ blksize: '1025' }, 'The server grants more than it was asked for: blksize=1025'],
    [{ blksize: '7' }, 'more than it was asked for'],
    [{ windowsize: '0' }, 'more than it was asked for'],
    [{ windowsize: '5' }, 'more than it was asked for'],
    [{ tsize: '-1' }, 'more than it was asked for'],
    [{ tsize: '9999999999999999' }, 'more than it was asked for'],
  ])('does not agree on %j', (granted, message) => {
    const step = new Receiver({ blksize: 1024, windowsize: 4 }).receive(options(granted));
    expect(step).toMatchObject({ what: 'fail', code: 8, error: { kind: 'unsupported', message: expect.stringContaining(message) as string } });
  });

  it('refuses blocks that are too long', () => {
    const receiver = new Receiver({ blksize: 1024, windowsize: 4 });
    expect(receiver.receive({ kind: 'data', block: 1, data: new Uint8Array(513) })).toMatchObject({ what: 'fail', error: { message: 'The server sent a block of 513 bytes where 512 were agreed on' } });
  });
});
