import { workspace } from '@blk/eslint-config';

export default workspace(import.meta.dirname);
