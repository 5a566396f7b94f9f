/** What the commands that start jobs have in common. */
import type { BlockGraph, OnError } from '@blk/core-graph';
import type { JobOptions } from '@blk/jobs';
import { toSafeInteger, type BlockdevOnError, type Int64 } from '@blk/qapi-types';
import { genericError } from '../errors.js';
import { mayStop } from '../info/block-info.js';

/** Members of the commands. */
export interface JobArguments {
  readonly device: string;
  readonly 'job-id'?: string;
  readonly speed?: Int64;
  readonly 'auto-finalize'?: boolean;
  readonly 'auto-dismiss'?: boolean;
}

/** A job without an id of its own is known by the device that it works on; on a bare node it needs one. */
export function jobOptions(graph: BlockGraph, args: JobArguments): Omit<JobOptions, 'type'> {
  const { speed = 0, 'auto-finalize': autoFinalize, 'auto-dismiss': autoDismiss } = args;
  const bytes = toSafeInteger(speed, 'speed');
  if (bytes < 0) throw genericError("Parameter 'speed' expects a non-negative value");
  return {
    id: args['job-id'] ?? (graph.backends.has(args.device) ? args.device : ''),
    speed: bytes,
    autoFinalize,
    autoDismiss,
  };
}

/** The policy; one that stops needs a device that shows an io-status, or a bare node, whose job shows its own. `name`: of the parameter. */
export function errorPolicy(graph: BlockGraph, device: string, policy: BlockdevOnError | undefined, name = 'on-error'): OnError {
  const backend = graph.backends.get(device);
  if ((policy === 'stop' || policy === 'enospc') && backend !== undefined && !mayStop(backend)) {
    throw genericError(`Invalid parameter '${name}'`);
  }
  return policy ?? 'report';
}
