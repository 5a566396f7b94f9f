import { library } from '@blk/tsup-config';

export default library({ entry: { index: 'src/index.ts', json: 'src/json.ts' } });
