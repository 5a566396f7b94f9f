import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/transport': 'src/platform/transport.ts',
    'platform/transport-node': 'src/platform/transport-node.ts',
    // By names of their own, so that they are found to be for Node only.
    'platform/sockets-node': 'src/platform/sockets-node.ts',
    'platform/tunnel-node': 'src/platform/tunnel-node.ts',
  },
});
