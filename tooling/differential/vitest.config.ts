import { project } from '@blk/vitest-config';

export default project({ testTimeout: 300_000 });
