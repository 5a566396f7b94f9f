import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/primitives': 'src/platform/primitives.ts',
    'platform/primitives-node': 'src/platform/primitives-node.ts',
  },
});
