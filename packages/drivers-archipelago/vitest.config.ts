import { project } from '@blk/vitest-config';

export default project();
