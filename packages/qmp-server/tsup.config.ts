import { library } from '@blk/tsup-config';

export default library({ entry: { index: 'src/index.ts', 'blk-qmp-server': 'src/blk-qmp-server.ts' } });
