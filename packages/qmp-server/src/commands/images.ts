/** What is changed about an image that is open: its password, and the name that it records of its backing file. */
import { Backend, BlockError, errnoOf, reaches, setReadOnly, strerror } from '@blk/core-graph';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { findByEither, findDeviceOrNode } from '../lookup.js';
import { isEncrypted, lacksKey, unlock } from '../passwords.js';

export const images: CommandGroup = {
  block_passwd: async ({ device, 'node-name': nodeName, password }, { server }) => {
    const node = findByEither(server.graph, device, nodeName);
    if (!(await isEncrypted(node))) throw genericError(`Device '${device ?? nodeName ?? ''}' is not encrypted`);
    // One that was opened with a secret has its key.
    if (await lacksKey(node)) await unlock(server.graph, server.objects, node, password);
  },

  'change-backing-file': async ({ device, 'image-node-name': name, 'backing-file': filename }, { server: { graph } }) => {
    const top = findDeviceOrNode(graph, device);
    const image = graph.node(name);
    graph.checkFree(image);
    const recorded = image.driver.recordedBacking;
    if (image.backing === undefined && recorded === undefined) {
      throw genericError('not allowing backing file change on an image without a backing file');
    }
    if (!reaches(top, image)) throw genericError(`'${device}' and image file are not in the same chain`);
    const { readOnly } = image;
    if (readOnly) await setReadOnly(graph, image, false);
    try {
      await graph.drained([image], async () => {
        const holder = Backend.over(graph, image, { description: 'change-backing-file', writable: !readOnly });
        try {
          const format = image.backing?.node.driverName ?? recorded?.format;
          await image.driver.changeBackingFile?.({ filename, ...(format === undefined ? {} : { format }) });
        } finally {
          await holder.detach();
        }
      });
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      throw genericError(`Could not change backing file to '${filename}': ${strerror(errnoOf(error))}`, error);
    } finally {
      if (readOnly) await setReadOnly(graph, image, true);
    }
  },
};
