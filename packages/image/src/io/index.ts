/** The disk exerciser of qemu-io as a library. */
export { IoSession, type IoProgram } from './session.js';
export type { IoOutput, IoCommand, IoContext } from './command.js';
export type { IoOpenRequest, IoPowers, Reopened } from './program-commands.js';
export type { PendingRequests } from './pending.js';
export { humanSize } from './sizes.js';
