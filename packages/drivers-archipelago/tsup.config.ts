import { library } from '@blk/tsup-config';

export default library();
