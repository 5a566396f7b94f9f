import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/compare': 'src/platform/compare.ts',
    'platform/compare-node': 'src/platform/compare-node.ts',
  },
});
