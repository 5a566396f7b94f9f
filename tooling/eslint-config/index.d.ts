import type { Linter } from 'eslint';
/** The eslint configuration of one package, rooted at `root` (its `import.meta.dirname`). */
export declare function project(root: string): Linter.Config[];
