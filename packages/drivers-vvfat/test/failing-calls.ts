/** A host whose calls fail: what `node:fs` and `node:fs/promises` are for the driver while a test counts and breaks its calls. */
import type * as sync from 'node:fs';
import type * as later from 'node:fs/promises';
import { dirname } from 'node:path';

/** One call of the driver to the host. */
export interface HostCall {
  readonly verb: string;
  /** It changes something. */
  readonly changes: boolean;
  /** It is about the temporary file that holds what the guest wrote. */
  readonly overlay: boolean;
}

/** How a call fails: without having done anything, or although it has done all of it, as over a network. */
export interface Fault {
  readonly code: string;
  readonly done: boolean;
}

/** What a test does to the host; shared by both modules. */
export interface HostState {
  /** Asked before each call; undefined lets it through. */
  meet: (call: HostCall) => Fault | undefined;
  /** Folders whose entries were changed and not put on stable storage since, by their inodes. */
  readonly unsynced: Set<number>;
}

/** Of a folder. */
const FSYNC = 'fsync of a folder';

type Work<Args extends unknown[], Result> = (...args: Args) => Result;

const failure = (verb: string, code: string): Error => Object.assign(new Error(`${code}: made to fail, ${verb}`), { code, syscall: verb });

/** `node:fs` with the calls that the driver makes on the event loop. */
export function failingSync(real: typeof sync, state: HostState): typeof sync {
  const wrap = <Args extends unknown[], Result>(verb: string, work: Work<Args, Result>): Work<Args, Result> => (...args) => {
    const fault = state.meet({ verb, changes: false, overlay: false });
    if (fault !== undefined) throw failure(verb, fault.code);
    return work(...args);
  };
  return {
    ...real,
    openSync: wrap('open', real.openSync),
    lstatSync: wrap('lstat', real.lstatSync as Work<unknown[], unknown>) as typeof real.lstatSync,
    fstatSync: wrap<[number], unknown>('fstat', real.fstatSync) as typeof real.fstatSync,
    readSync: wrap<[number, Uint8Array], number>('read', real.readSync) as typeof real.readSync,
    fsync: Object.assign((fd: number, over: sync.NoParamCallback) => {
      const fault = state.meet({ verb: FSYNC, changes: true, overlay: false });
      if (fault === undefined) state.unsynced.delete(real.fstatSync(fd).ino);
      // Nobody finds out whether it was done, and it takes most of the time.
      process.nextTick(over, fault === undefined ? null : failure('fsync', fault.code));
    }, { __promisify__: real.fsync.__promisify__ }),
  };
}

/** `node:fs/promises`; files that are opened through it fail as well. */
export function failingLater(real: typeof later, state: HostState): typeof later {
  const meet = async <Result>(call: HostCall, work: () => Promise<Result>): Promise<Result> => {
    const fault = state.meet(call);
    if (fault === undefined) return work();
    if (fault.done) await work();
    throw failure(call.verb, fault.code);
  };
  const wrap = <Args extends unknown[], Result>(verb: string, changes: boolean, work: Work<Args, Promise<Result>>): Work<Args, Promise<Result>> =>
    (...args) => meet({ verb, changes, overlay: false }, () => work(...args));
  /** What gives, takes away or changes a name in the folders that the paths lie in. */
  const entry = (verb: string, work: Work<string[], Promise<unknown>>): typeof work => wrap(verb, true, async (...paths) => {
    const folders = await Promise.all(paths.map(async (path) => (await real.stat(dirname(path))).ino));
    const gone = verb === 'rmdir' ? (await real.lstat(paths[0])).ino : undefined;
    await work(...paths);
    // A temporary file may come back: nobody misses it.
    if (verb !== 'unlink' || !paths[0].includes('.blk-vvfat-')) for (const folder of folders) state.unsynced.add(folder);
    if (gone !== undefined) state.unsynced.delete(gone);
  });
  const open = async (...[path, flags, mode]: Parameters<typeof real.open>): Promise<later.FileHandle> => {
    const overlay = String(path).endsWith('/overlay');
    const changes = String(path).includes('.blk-vvfat-');
    let opened: later.FileHandle | undefined;
    const handle = await meet({ verb: 'open', changes, overlay }, async () => (opened = await real.open(path, flags, mode))).catch(async (error: unknown) => {
      await opened?.close();
      throw error;
    });
    return new Proxy(handle, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        const work = (name === 'sync' ? () => Promise.resolve() : value.bind(target)) as Work<unknown[], Promise<unknown>>;
        const verb = String(name);
        return (...args: unknown[]) => {
          // A file that cannot be closed is closed all the same.
          if (verb === 'close') return meet({ verb, changes, overlay }, () => work()).catch(async (error: unknown) => {
            await work().catch(() => undefined);
            throw error;
          });
          // Half of what is written is there, then there is no more room.
          if (verb === 'write' && args.length > 2) return meet({ verb, changes: true, overlay }, () => work(...args)).catch(async (error: unknown) => {
            const [buffer, at, length, position] = args as [Uint8Array, number, number, number?];
            await work(buffer, at, Math.floor(length / 2), position);
            throw error;
          });
          return meet({ verb, changes: ['sync', 'utimes', 'chmod', 'chown', 'truncate'].includes(verb), overlay }, () => work(...args));
        };
      },
    });
  };
  return {
    ...real,
    open: open,
    rename: entry('rename', (from, to) => real.rename(from, to)) as typeof real.rename,
    mkdir: entry('mkdir', (path) => real.mkdir(path)) as typeof real.mkdir,
    rmdir: entry('rmdir', (path) => real.rmdir(path)) as typeof real.rmdir,
    unlink: entry('unlink', (path) => real.unlink(path)) as typeof real.unlink,
    lutimes: wrap('lutimes', true, real.lutimes),
    lstat: wrap('lstat', false, real.lstat as Work<[string], Promise<sync.Stats>>) as typeof real.lstat,
    readdir: wrap('readdir', false, real.readdir as Work<[string], Promise<string[]>>) as typeof real.readdir,
  };
}
