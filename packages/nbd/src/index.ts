/**
 * The Network Block Device protocol: codec and server.
 *
 * @packageDocumentation
 */
export {};
