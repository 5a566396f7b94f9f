/** A server that says what a test tells it to. */
import { createServer, type Server, type Socket } from 'node:net';
import { tempDir } from '@blk/oracle';
import { encodeGreeting, encodeInfoExport, encodeMetaContext, encodeOptionReply, Option, OptionReply } from '../src/index.js';

export const SIZE = 1024 * 1024;

/** A server that greets, answers by `replies` what it is asked, and then each request by `answer`. */
export interface Script {
  readonly greeting?: Uint8Array;
  readonly replies?: Partial<Record<number, readonly Uint8Array[]>>;
  /** May say something on the socket later. */
  readonly answer?: (cookieHigh: number, cookieLow: number, socket: Socket) => Uint8Array;
}

export const ack = (option: number): Uint8Array => encodeOptionReply(option, OptionReply.Ack);
const HONEST: Readonly<Partial<Record<number, readonly Uint8Array[]>>> = {
  [Option.StructuredReply]: [ack(Option.StructuredReply)],
  [Option.Go]: [encodeOptionReply(Option.Go, OptionReply.Info, encodeInfoExport(SIZE, 1)), ack(Option.Go)],
  [Option.SetMetaContext]: [encodeOptionReply(Option.SetMetaContext, OptionReply.MetaContext, encodeMetaContext(7, 'base:allocation')), ack(Option.SetMetaContext)],
};

function play(socket: Socket, script: Script): void {
  let received = Buffer.alloc(0);
  let state: 'flags' | 'options' | 'requests' = 'flags';
  socket.on('error', () => undefined);
  socket.write(script.greeting ?? encodeGreeting());
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const need = state === 'flags' ? 4 : state === 'requests' ? 28 : received.length < 16 ? 16 : 16 + received.readUInt32BE(12);
      if (received.length < need) return;
      const message = received.subarray(0, need);
      received = received.subarray(need);
      if (state === 'flags') state = 'options';
      else if (state === 'options') {
        const option = message.readUInt32BE(8);
        const replies = script.replies?.[option] ?? HONEST[option] ?? [encodeOptionReply(option, OptionReply.Unsupported)];
        if (option === Option.Go) state = 'requests';
        for (const reply of replies) socket.write(reply);
      } else socket.write(script.answer?.(message.readUInt32BE(8), message.readUInt32BE(12), socket) ?? new Uint8Array(0));
    }
  });
}

/** Lets it listen while `use` goes on. */
export async function against<T>(script: Script, use: (path: string) => Promise<T>): Promise<T> {
  using dir = tempDir();
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => { sockets.push(socket); play(socket, script); });
  await new Promise<void>((resolve) => server.listen(dir.file('s'), resolve));
  try {
    return await use(dir.file('s'));
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}
