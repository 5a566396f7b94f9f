/** `-L`: what the exports of another server are, in the words of qemu-nbd. */
import { FLAG_WORDS, listExports, TransmissionFlag, type ListedExport } from '@blk/nbd';
import { readObjects } from '../objects.js';
import { clientTls } from './credentials.js';
import type { NbdArguments } from './options.js';

/** Connects, asks for everything, and gives the text. */
export async function listText(args: NbdArguments): Promise<string> {
  const tls = clientTls(args, await readObjects(args.objects));
  const address = args.socket === undefined ? { host: args.bind, port: args.port } : { path: args.socket };
  const exports = await listExports(address, tls === undefined ? {} : { tls });
  return `exports available: ${exports.length}\n${exports.map(exportText).join('')}`;
}

function exportText({ name, description, size, flags, blockSizes, contexts }: ListedExport): string {
  const lines = [` export: '${shown(name)}'`];
  if (description !== undefined && description !== '') lines.push(`  description: ${shown(description)}`);
  // A server that tells nothing but names has no flags either.
  if ((flags & TransmissionFlag.HasFlags) !== 0) {
    const words = FLAG_WORDS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => `${word} `);
    lines.push(`  size:  ${size}`, `  flags: 0x${flags.toString(16)} ( ${words.join('')})`);
  }
  if (blockSizes !== undefined) {
    const { minimum, preferred, maximum } = blockSizes;
    lines.push(`  min block: ${minimum}`, `  opt block: ${preferred}`, `  max block: ${maximum}`);
  }
  if (contexts.length > 0) lines.push(`  available meta contexts: ${contexts.length}`, ...contexts.map((context) => `   ${shown(context)}`));
  return `${lines.join('\n')}\n`;
}

/** Of another machine's words, nothing that a terminal would obey, and no lines that look like ours. */
function shown(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
