// The generators: each makes the text of a script, the same every time.
import { histories } from './histories.js';
import { headers } from './headers.js';
import { options } from './options.js';
import { sizes } from './sizes.js';
import { votes } from './votes.js';

export const generators: Readonly<Record<string, () => string>> = { options, histories, headers, sizes, votes };
