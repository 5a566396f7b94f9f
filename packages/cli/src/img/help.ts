/** What `--help` prints under the name qemu-img. */
import { DRIVERS } from '../graph.js';
import { versionText, type Tool } from '../tool.js';
import type { ImgCommand } from './command.js';

/** All commands with their options, and last, as programs look for it there, the list of formats. */
export function imgHelp(tool: Tool, commands: readonly ImgCommand[]): string {
  const lines = commands.map(({ name, synopsis }) => `  ${name} ${synopsis}\n`);
  return `${versionText(tool)}usage: ${tool.name} [standard options] command [command options]
QEMU disk image utility

    '-h', '--help'       display this help and exit
    '-V', '--version'    output version information and exit

Command syntax:
${lines.join('')}
'${tool.name} command --help' explains the options of a command.

${supportedFormats()}
`;
}

/** `Supported formats: file … raw`. */
export function supportedFormats(): string {
  const names = DRIVERS.map(({ name }) => name).sort();
  return `Supported formats: ${names.join(' ')}`;
}
