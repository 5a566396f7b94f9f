/** The same script given to our server and to the installed qemu-storage-daemon. */
import { rmSync } from 'node:fs';
import { startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import type { ServerOptions } from '../src/index.js';
import { attach, testServer, type Message } from './support.js';

export type Step = readonly [command: string, args?: object];

interface ReferenceError extends Error {
  readonly errorClass: string;
}

/** Runs `script` on both, each with a directory of its own, which `prepare` fills; replies are `return` or `error`. */
export async function both(
  prepare: (dir: TempDir) => Promise<void>,
  script: (dir: TempDir) => readonly Step[],
  options: Partial<ServerOptions> = {},
): Promise<{ ours: Message[]; theirs: Message[] }> {
  const replies: Message[][] = [];
  for (const reference of [false, true]) {
    using dir = tempDir();
    await prepare(dir);
    const answers: Message[] = [];
    if (reference) {
      await using daemon = await startStorageDaemon({ cwd: dir.path });
      await daemon.qmp.execute('qmp_capabilities').catch(() => undefined);
      for (const [command, args] of script(dir)) {
        answers.push(
          await daemon.qmp.execute(command, args as Record<string, unknown>).then(
            (result) => ({ return: result }),
            (error: ReferenceError) => ({ error: { class: error.errorClass, desc: error.message } }),
          ),
        );
      }
    } else {
      await using server = await testServer(options);
      const client = await attach(server).negotiate();
      for (const [command, args] of script(dir)) answers.push(await client.ask(command, args));
    }
    replies.push(JSON.parse(JSON.stringify(answers).replaceAll(dir.path, 'DIR')) as Message[]);
    rmSync(dir.file('nbd'), { force: true });
  }
  return { ours: replies[0], theirs: replies[1] };
}
