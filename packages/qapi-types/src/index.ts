/**
 * QAPI schema of the block layer as TypeScript types, run-time validators and introspection data.
 *
 * @packageDocumentation
 */
export {};
