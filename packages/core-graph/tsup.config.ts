import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/zero-compare': 'src/platform/zero-compare.ts',
    'platform/zero-compare-node': 'src/platform/zero-compare-node.ts',
  },
});
