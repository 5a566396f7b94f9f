import { validateType, type QmpCommands } from '@blk/qapi-types';
import { JsonStream, stringify } from '@blk/qapi-types/json';

/** One message for a monitor of QEMU; the compiler knows every command, its arguments and what it returns. */
export function message<N extends keyof QmpCommands>(execute: N, args: QmpCommands[N]['arguments']): string {
  return `${stringify({ execute, arguments: args })}\n`;
}

export const resize = message('block_resize', { 'node-name': 'disk0', size: 2 ** 33 });

/** Reads what `qemu-img info --output=json` prints, in whatever pieces it comes. */
export function imageReader(onImage: (format: string, bytes: number | bigint) => void): JsonStream {
  return new JsonStream({
    onValue: (value) => {
      const image = validateType('ImageInfo', value);
      onImage(image.format, image['virtual-size']);
    },
    onError: (error) => onImage(error.desc, -1),
  });
}
