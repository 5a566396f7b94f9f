import { project } from '@blk/eslint-config';

export default project(import.meta.dirname);
