// The library as every package builds it; behind it the program, whose bundles start faster than modules do.
import { library } from '@blk/tsup-config';
import { buildProgram } from './bundle.mjs';

export default library({ onSuccess: buildProgram });
