/** Builds `dist/blk.cjs` and the bundles that it loads. */
export function buildProgram(): Promise<void>;
