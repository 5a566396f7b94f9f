/** The disk exerciser of qemu-io as a library. */
export { IoSession, type IoProgram } from './session.js';
export type { IoOutput, IoCommand, IoContext } from './command.js';
export { humanSize } from './sizes.js';
