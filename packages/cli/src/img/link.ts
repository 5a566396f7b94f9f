/** `link`: the names of the reference tools, in a folder, for this program. */
import { lstat, mkdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemError } from '@blk/core-graph';
import { ExitError, TOOL_NAMES, UsageError } from '../tool.js';
import { COMMON, Options, type ImgCommand } from './command.js';
import { specs } from './getopt.js';

export const link: ImgCommand = {
  name: 'link',
  own: true,
  synopsis: '[--force] [-q] directory',
  summary: 'makes links by the names of the reference tools, which are this program',
  details: `  --force              replaces files of these names that are something else
  -q                   says nothing

The names: ${TOOL_NAMES.join(', ')}. With the folder in front of others in PATH, scripts that call these tools call this program.
`,
  options: [...COMMON, ...specs('q :force')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    if (options.operands.length !== 1) throw new UsageError('Expecting one directory');
    const [directory] = options.operands;
    const program = await realpath(process.argv[1]);
    const places = TOOL_NAMES.map((name) => join(directory, name));
    // All or none: what is in the way is found before anything is made.
    const foreign: string[] = [];
    for (const place of places) if (await isForeign(place, program)) foreign.push(`'${place}'`);
    if (foreign.length > 0 && !options.has('force')) {
      throw new ExitError(1, `${foreign.join(', ')}: there already, and not this program; --force replaces it`);
    }
    try {
      await mkdir(directory, { recursive: true });
      for (const place of places) {
        await rm(place, { force: true });
        await symlink(program, place);
        if (!options.has('q')) tool.io.out(`${place} -> ${program}\n`);
      }
    } catch (error) {
      throw systemError(`Could not make links in '${directory}'`, error);
    }
    return 0;
  },
};

/** Whether something else than a link to the program is at this place. */
async function isForeign(place: string, program: string): Promise<boolean> {
  const found = await lstat(place).catch(() => undefined);
  if (found === undefined) return false;
  if (!found.isSymbolicLink()) return true;
  try {
    return (await realpath(place)) !== program;
  } catch {
    // A link to where this program was before is nobody's loss.
    return !/(^|[\\/])blk(\.c?js)?$/.test(await readlink(place));
  }
}
