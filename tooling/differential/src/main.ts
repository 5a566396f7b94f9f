// `npm run differential`: everything, or what the arguments ask for.
//
//   --only TEXT      scenarios whose "group: title" begins so (may be repeated)
//   --not TEXT       leaves out those with this in them (may be repeated)
//   --processes      ours in processes of its own, by links to the built program
//   --list           names what would be run
//   --show           shows the lines of what would be run
//   --most N         differences that are shown (40)
import { parseArgs } from 'node:util';
import { ACCEPTED } from './accepted.js';
import { describeDifferences } from './report.js';
import { runAll, unusedRules } from './run-all.js';
import { allGroups } from './sets.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    not: { type: 'string', multiple: true, default: [] },
    processes: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
    most: { type: 'string', default: '40' },
  },
});

const say = (text: string): void => void process.stdout.write(text);
const wanted = (name: string): boolean =>
  (values.only.length === 0 || values.only.some((text) => name.startsWith(text))) && !values.not.some((text) => name.includes(text));
const scenarios = allGroups().flatMap(({ name, scenarios: all }) => all.filter(({ title }) => wanted(`${name}: ${title}`)));

if (values.list || values.show) {
  for (const { title, head, lines } of scenarios) say(values.show ? `== ${title}\n${[...head, ...lines].join('\n')}\n` : `${title}\n`);
} else {
  const result = await runAll(scenarios, {
    processes: values.processes,
    progress: (done, total) => {
      if (done % 100 === 0) process.stderr.write(`${done} of ${total}\n`);
    },
  });
  say(describeDifferences(result.differences, Number(values.most)));
  const unused = values.only.length + values.not.length === 0 ? unusedRules(result) : [];
  for (const id of unused) say(`accepted, but no longer there: ${id}\n`);
  for (const { id } of ACCEPTED) if (result.accepted.has(id)) say(`accepted: ${id}, ${result.accepted.get(id)} times\n`);
  say(`${result.scenarios} scenarios, ${result.commands} commands: ${result.differences.length} differences\n`);
  process.exitCode = result.differences.length > 0 || unused.length > 0 ? 1 : 0;
}
