/** What happens in the graph, told as events of the contract. */
import { errnoOf, strerror, type BlockGraph, type BlockNode, type GraphEvent } from '@blk/core-graph';
import { mayStop } from './info/block-info.js';
import type { EventBus } from './events.js';

/** Forwards until the returned function is called. */
export function forwardGraphEvents(graph: BlockGraph, events: EventBus): () => void {
  return graph.subscribe((event) => {
    forward(graph, events, event);
  });
}

function forward(graph: BlockGraph, events: EventBus, event: GraphEvent): void {
  switch (event.type) {
    case 'corrupted': {
      const { message, fatal, offset, size } = event.report;
      events.emit('BLOCK_IMAGE_CORRUPTED', {
        device: deviceOf(graph, event.node),
        'node-name': event.node.name,
        msg: message,
        ...(offset === undefined ? {} : { offset }),
        ...(size === undefined ? {} : { size }),
        fatal,
      });
      break;
    }
    case 'write-threshold':
      events.emit('BLOCK_WRITE_THRESHOLD', {
        'node-name': event.node.name,
        'amount-exceeded': event.amount,
        'write-threshold': event.threshold,
      });
      break;
    case 'quorum':
      forwardQuorum(graph, events, event);
      break;
    case 'io-error': {
      const { backend, operation, action, error } = event;
      const errno = errnoOf(error);
      events.emit('BLOCK_IO_ERROR', {
        device: backend.name,
        operation: operation === 'read' ? 'read' : 'write',
        action,
        // Of devices that have no io-status it says nothing.
        ...(mayStop(backend) ? { nospace: errno === 'ENOSPC' } : {}),
        reason: strerror(errno),
      });
    }
  }
}

function forwardQuorum(graph: BlockGraph, events: EventBus, { node, report }: GraphEvent & { readonly type: 'quorum' }): void {
  const { offset, length } = report;
  const first = Math.floor(offset / SECTOR);
  const sectors = { 'sector-num': first, 'sectors-count': Math.ceil((offset + length) / SECTOR) - first };
  if (report.what === 'failure') {
    const device = deviceOf(graph, node);
    events.emit('QUORUM_FAILURE', { reference: device === '' ? node.name : device, ...sectors });
    return;
  }
  const { operation, child, error } = report;
  events.emit('QUORUM_REPORT_BAD', {
    type: operation,
    ...(error === undefined ? {} : { error: strerror(errnoOf(error)) }),
    'node-name': child,
    ...sectors,
  });
}

/** Bytes. */
const SECTOR = 512;

/** The device whose image this is; empty for an image below, or one without a device. */
function deviceOf(graph: BlockGraph, node: BlockNode): string {
  for (const backend of graph.backends.values()) if (backend.edge?.node === node) return backend.name;
  return '';
}
