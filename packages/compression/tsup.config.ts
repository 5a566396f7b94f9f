import { library } from '@blk/tsup-config';

export default library({
  entry: {
    index: 'src/index.ts',
    'platform/deflate': 'src/platform/deflate.ts',
    'platform/deflate-node': 'src/platform/deflate-node.ts',
    'platform/zstd': 'src/platform/zstd.ts',
    'platform/zstd-node': 'src/platform/zstd-node.ts',
  },
});
