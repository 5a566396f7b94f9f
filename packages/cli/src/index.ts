/**
 * The blk program: qemu-img, qemu-io, qemu-nbd and qemu-storage-daemon in one.
 *
 * @packageDocumentation
 */
export { main } from './main.js';
export { TOOL_NAMES, VERSION, type ToolIo, type ToolName } from './tool.js';
