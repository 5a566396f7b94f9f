/** What the tests use of the package `qemu-qmp`, which has no types. */
declare module 'qemu-qmp' {
  import { Socket } from 'node:net';

  type Callback = (error: Error | null, result?: unknown) => void;

  export default class Qmp extends (Socket as new () => Omit<Socket, 'connect'>) {
    connect(path: string, callback: Callback): void;
    execute(command: string, callback: Callback): void;
    execute(command: string, args: object, callback: Callback): void;
  }
}
