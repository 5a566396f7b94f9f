import type { UserConfig } from 'vitest/config';
/** The vitest configuration of one package; `test` overrides fields of its `test` section. */
export declare function project(test?: UserConfig['test']): UserConfig;
