import type { Options } from 'tsup';
/** One library package: ESM and types of `src/index.ts` unless `entry` says otherwise. */
export declare function library(options?: Options): Options;
