/**
 * A QMP server: monitors, dispatch, events and the commands of the block layer.
 *
 * @packageDocumentation
 */
export {};
