/**
 * The list of all block drivers of the family.
 *
 * @packageDocumentation
 */
export {};
