/** Starting streams and commits: which images are meant, and what is refused before a job is made. */
import type { BlockNode } from '@blk/core-graph';
import { below, findBelow, imageBehind, imagesAbove, startActiveCommit, startCommit, startStream } from '@blk/jobs';
import type { QmpCommands } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { errorPolicy, jobOptions } from '../jobs/job-options.js';
import { findDeviceOrNode } from '../lookup.js';
import type { BlkServer } from '../server.js';

type StreamArguments = QmpCommands['block-stream']['arguments'];
type CommitArguments = QmpCommands['block-commit']['arguments'];

export const blockJobs: CommandGroup = {
  'block-stream': async (args, { server }) => {
    const image = imageBehind(findDeviceOrNode(server.graph, args.device));
    const base = baseOfStream(server, image, args);
    const { 'backing-file': backingFile } = args;
    if (backingFile !== undefined && base === undefined) throw genericError('backing file specified, but streaming the entire chain');
    // Whoever is at the image already is told rather than that the job's id is taken.
    server.jobs.checkFree(image);
    const onError = errorPolicy(server.graph, args.device, args['on-error']);
    await startStream(server.jobs, image, { ...jobOptions(server.graph, args), base, backingFile, onError, filterName: args['filter-node-name'] });
  },

  'block-commit': async (args, { server }) => {
    const active = imageBehind(findDeviceOrNode(server.graph, args.device));
    // Above the image of a device there may still be those that an earlier commit took out, until they are closed.
    const isDevice = server.graph.backends.has(args.device);
    if (!isDevice && [...active.parents].some(({ role }) => role === 'backing')) throw genericError('Need a root block node');
    server.jobs.checkFree(active);
    const top = topOfCommit(server, active, args);
    const base = baseOfCommit(server, top, args);
    const onError = errorPolicy(server.graph, args.device, args['on-error']);
    const { 'backing-file': backingFile } = args;
    const options = { ...jobOptions(server.graph, args), base, onError, filterName: args['filter-node-name'] };
    if (top !== active) await startCommit(server.jobs, active, { ...options, top, backingFile });
    else if (backingFile === undefined) await startActiveCommit(server.jobs, active, options);
    else throw genericError("'backing-file' specified, but 'top' is the active layer");
  },
};

/** The image that stays below; undefined: none does. */
function baseOfStream({ graph }: BlkServer, image: BlockNode, args: StreamArguments): BlockNode | undefined {
  const { base, 'base-node': baseNode, bottom } = args;
  if (base !== undefined && baseNode !== undefined) throw genericError("'base' and 'base-node' cannot be specified at the same time");
  if (bottom !== undefined && base !== undefined) throw genericError("'bottom' and 'base' cannot be specified at the same time");
  if (bottom !== undefined && baseNode !== undefined) throw genericError("'bottom' and 'base-node' cannot be specified at the same time");
  if (base !== undefined) {
    const found = findBelow(image, base);
    if (found === undefined) throw genericError(`Can't find '${base}' in the backing chain`);
    return found;
  }
  if (baseNode !== undefined) {
    const node = graph.node(baseNode);
    if (node === image || !inChain(image, node)) throw genericError(`Node '${baseNode}' is not a backing image of '${image.name}'`);
    return imageBehind(node);
  }
  if (bottom === undefined) return undefined;
  const lowest = graph.node(bottom);
  if (!inChain(image, lowest)) throw genericError(`Node '${bottom}' is not in a chain starting from '${image.name}'`);
  if (lowest.settings.driver.role === 'filter') throw genericError(`Node '${bottom}' is a filter, use a non-filter node as 'bottom'`);
  return below(lowest);
}

/** The highest image whose content goes down. */
function topOfCommit({ graph }: BlkServer, active: BlockNode, args: CommitArguments): BlockNode {
  const { top, 'top-node': topNode } = args;
  if (top !== undefined && topNode !== undefined) throw genericError("'top-node' and 'top' are mutually exclusive");
  if (topNode !== undefined) {
    const node = graph.node(topNode);
    if (!inChain(active, node)) throw genericError(`'${topNode}' is not in this backing file chain`);
    return imageBehind(node);
  }
  if (top === undefined || top === active.filename) return active;
  const found = findBelow(active, top);
  if (found === undefined) throw genericError(`Top image file ${top} not found`);
  return found;
}

/** The image that takes the content: the lowest of the chain, unless another is named. */
function baseOfCommit({ graph }: BlkServer, top: BlockNode, args: CommitArguments): BlockNode {
  const { base, 'base-node': baseNode } = args;
  if (base !== undefined && baseNode !== undefined) throw genericError("'base-node' and 'base' are mutually exclusive");
  let found: BlockNode | undefined;
  if (baseNode !== undefined) {
    found = graph.node(baseNode);
    if (!inChain(top, found)) throw genericError(`'${baseNode}' is not in this backing file chain`);
    found = imageBehind(found);
  } else if (base !== undefined) {
    found = findBelow(top, base);
    if (found === undefined) throw genericError(`Can't find '${base}' in the backing chain`);
  } else found = imagesAbove(top, undefined)?.at(-1) ?? top;
  if (found === top) throw genericError('cannot commit an image into itself');
  return found;
}

/** Whether the node is one of the chain's images, or a filter over one. */
function inChain(top: BlockNode, node: BlockNode): boolean {
  return imagesAbove(top, undefined)?.includes(imageBehind(node)) ?? false;
}
