/** `blk serve`: the server with its monitors; the options are those of qemu-storage-daemon. */
import { runDaemon } from '@blk/qmp-server';
import { DRIVERS } from '../graph.js';
import type { Tool } from '../tool.js';
import { runDemo } from './demo.js';

/** Runs until it is told to stop; resolves with the exit code. */
export async function runServe(tool: Tool, argv: readonly string[]): Promise<number> {
  if (!tool.alias && argv.includes('--demo')) return runDemo(tool, argv.filter((word) => word !== '--demo'));
  return runDaemon(argv, {
    program: tool.name,
    drivers: DRIVERS,
    signal: tool.io.signal,
    restart: tool.alias ? [process.argv[1]] : [process.argv[1], 'serve'],
  });
}
