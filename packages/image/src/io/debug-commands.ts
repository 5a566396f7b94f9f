/** Commands that stop requests at points inside a driver; `blkdebug` is a driver that can. */
import { errnoOf, strerror, type Breakpoints } from '@blk/core-graph';
import type { IoCommand, IoContext } from './command.js';

export const breakCommand: IoCommand = {
  name: 'break',
  minimum: 2,
  maximum: 2,
  synopsis: 'event tag',
  summary: 'sets a breakpoint on event and tags the stopped request as tag',
  run: ([event, tag], context) => ask(context, 'Could not set breakpoint', (points) => points.set(event, tag)),
};

export const removeBreakCommand: IoCommand = {
  name: 'remove_break',
  minimum: 1,
  maximum: 1,
  synopsis: 'tag',
  summary: 'remove a breakpoint by tag',
  run: ([tag], context) => ask(context, `Could not remove breakpoint ${tag}`, (points) => points.remove(tag)),
};

export const resumeCommand: IoCommand = {
  name: 'resume',
  minimum: 1,
  maximum: 1,
  synopsis: 'tag',
  summary: 'resumes the request tagged as tag',
  run: ([tag], context) => ask(context, 'Could not resume request', (points) => points.resume(tag)),
};

/** The original waits for ever where the driver stops no requests; here that is an error. */
export const waitBreakCommand: IoCommand = {
  name: 'wait_break',
  minimum: 1,
  maximum: 1,
  synopsis: 'tag',
  summary: 'waits for the suspension of a request',
  run: ([tag], context) => ask(context, 'Could not wait for the request', (points) => points.suspended(tag)),
};

/** Asks the first driver, from the image down, that stops requests; what an image lies in is below it. */
async function ask({ image, output }: IoContext, failure: string, request: (points: Breakpoints) => Promise<void>): Promise<boolean> {
  const failed = (errno: string): boolean => {
    output.out(`${failure}: ${strerror(errno)}\n`);
    return false;
  };
  for (let node: typeof image.root | undefined = image.root; node !== undefined; node = node.storage?.node) {
    const { breakpoints } = node.driver;
    if (breakpoints === undefined) continue;
    try {
      await request(breakpoints);
      return true;
    } catch (error) {
      return failed(errnoOf(error));
    }
  }
  return failed('ENOTSUP');
}
