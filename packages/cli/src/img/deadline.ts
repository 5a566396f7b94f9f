/** The end that a command comes to by itself: `--max-time`, and what `--untrusted` allows without it. */
import { ExitError, INTERRUPTED, UsageError, type Tool } from '../tool.js';
import { Options, type ImgCommand } from './command.js';

/** Seconds that `--untrusted` allows a command that looks at tables only. */
const LOOKING = 60;
/** Seconds for one that goes through the content: a small file can hold tables that show exabytes. */
const COPYING = 3600;

/** Runs `command`; it is called off, and fails, when its time is over. */
export async function withinTime(tool: Tool, command: ImgCommand, parsed: Parameters<ImgCommand['run']>[1]): Promise<number> {
  const seconds = allowed(new Options(parsed), command);
  if (seconds === undefined) return command.run(tool, parsed);
  const over = new AbortController();
  const timer = setTimeout(() => { over.abort(); }, seconds * 1000);
  const signal = AbortSignal.any([tool.io.signal, over.signal]);
  // What the original makes when it is first looked at, it still does.
  const io = Object.create(tool.io, { signal: { value: signal } }) as Tool['io'];
  try {
    return await command.run({ ...tool, io }, parsed);
  } catch (error) {
    if (!over.signal.aborted || tool.io.signal.aborted) throw error;
    const code = error instanceof ExitError && error.code !== INTERRUPTED ? error.code : 1;
    const left = error instanceof ExitError ? /^interrupted(: .*)$/s.exec(error.message)?.[1] : undefined;
    throw new ExitError(code, `gave up after ${seconds} seconds (--max-time)${left ?? ''}`);
  } finally {
    clearTimeout(timer);
  }
}

function allowed(options: Options, command: ImgCommand): number | undefined {
  const text = options.get('max-time');
  if (text === undefined) return options.has('untrusted') ? (command.long === true ? COPYING : LOOKING) : undefined;
  // A timer cannot wait for longer.
  if (!/^\d+$/.test(text) || Number(text) > 2_000_000) throw new UsageError(`Invalid --max-time: ${text}`);
  return text === '0' ? undefined : Number(text);
}
