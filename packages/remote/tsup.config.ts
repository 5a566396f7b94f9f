import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/spool-store': 'src/platform/spool-store.ts',
    'platform/spool-store-node': 'src/platform/spool-store-node.ts',
  },
});
