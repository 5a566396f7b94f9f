import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/read-text': 'src/platform/read-text.ts',
    'platform/read-text-node': 'src/platform/read-text-node.ts',
  },
});
