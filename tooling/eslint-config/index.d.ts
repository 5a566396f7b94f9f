import type { Linter } from 'eslint';
/** The eslint configuration of one package, rooted at `root` (its `import.meta.dirname`). */
export declare function project(root: string): Linter.Config[];
/** The configuration of all packages at once, for the repository's `root`. */
export declare function workspace(root: string): Linter.Config[];
