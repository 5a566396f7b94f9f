/** The human monitor, one line at a time. */
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';

export const human: CommandGroup = {
  'human-monitor-command': async ({ 'command-line': line, 'cpu-index': processor }, context) => {
    if (processor !== undefined) throw genericError("Parameter 'cpu-index' expects a CPU number");
    // Most servers never need it.
    const { runLine } = await import('../human/monitor.js');
    return runLine(line, context);
  },
};
