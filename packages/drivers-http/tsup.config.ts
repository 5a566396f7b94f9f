import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/transport': 'src/platform/transport.ts',
    'platform/transport-node': 'src/platform/transport-node.ts',
    // By a name of its own, so that it is found to be for Node only.
    'platform/tunnel-node': 'src/platform/tunnel-node.ts',
  },
});
