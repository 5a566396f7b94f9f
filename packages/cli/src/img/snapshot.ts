/** `snapshot`: the internal snapshots of an image. */
import { changeSnapshots, listSnapshots, type SnapshotAction } from '@blk/image';
import { makeGraph } from '../graph.js';
import { sourceOf } from '../settings.js';
import { UsageError } from '../tool.js';
import { COMMON, oneFile, Options, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { snapshotList } from './snapshot-list.js';

const ACTIONS: Readonly<Record<string, SnapshotAction>> = { a: 'apply', c: 'create', d: 'delete' };

export const snapshot: ImgCommand = {
  name: 'snapshot',
  synopsis: '[-U] [-q] [-l | -a snapshot | -c snapshot | -d snapshot] [--image-opts] [--untrusted] filename',
  summary: 'lists, takes, applies and deletes internal snapshots',
  details: `  -l                   lists the snapshots
  -c NAME              keeps the present content of the disk under this name
  -a SNAPSHOT          goes back to a snapshot, by its id or its name
  -d NAME              deletes the first snapshot of this name
  -q                   says nothing
  -U, --force-share    lists even while another program writes to the image
  --image-opts         filename is a list of options: driver=qcow2,file.filename=x
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('l a= c= d= q U:force-share')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const asked = parsed.options.filter(({ name }) => name === 'l' || Object.hasOwn(ACTIONS, name));
    if (asked.length > 1) throw new UsageError("Cannot mix '-l', '-a', '-c', '-d'");
    const source = sourceOf(oneFile(options), options.has('image-opts'));
    const graph = makeGraph(tool, { untrusted: options.has('untrusted') });
    const settings = { ...(options.has('force-share') ? { forceShare: true } : {}), signal: tool.io.signal };
    const [found] = asked;
    const action = found === undefined ? undefined : ACTIONS[found.name];
    if (action !== undefined) {
      await changeSnapshots(graph, source, action, found.value ?? '', settings);
      return 0;
    }
    const list = await listSnapshots(graph, source, settings);
    // Without any action the reference opens the image, and says nothing.
    if (list.length > 0 && found !== undefined) tool.io.out(`Snapshot list:\n${snapshotList(list)}`);
    return 0;
  },
};
