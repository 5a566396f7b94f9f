// npm test: installs and builds if that is needed, then runs every test of the repository in one vitest.
// Arguments are handed to vitest, so `npm test -- qcow2` runs the tests of files with that in their path.
// BLK_FORBID_SKIPS=1 makes a skipped test a failure; BLK_REQUIRE_ORACLES=1 makes a missing reference tool one.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { build, fail, install, root, step, tool } from './prepare.mjs';

try {
  await install();
  await build();
} catch (error) {
  fail('npm test', error);
}

const scratch = mkdtempSync(join(tmpdir(), 'blk-test-'));
const file = join(scratch, 'report.json');
let code = await step(tool('vitest'), ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...process.argv.slice(2)]);
let report;
try {
  report = JSON.parse(readFileSync(file, 'utf8'));
} catch {
  fail('npm test', new Error('vitest left no report'));
} finally {
  rmSync(scratch, { recursive: true });
}

const tests = report.testResults.flatMap((suite) => suite.assertionResults.map((test) => ({ ...test, file: relative(root, suite.name) })));
// A file that cannot be loaded has no tests to count, and is a failure all the same.
const broken = report.testResults.filter((suite) => suite.status === 'failed' && !suite.assertionResults.some((test) => test.status === 'failed'));
const passed = tests.filter((test) => test.status === 'passed').length;
const failed = tests.filter((test) => test.status === 'failed').length + broken.length;
const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');

if (process.env.BLK_FORBID_SKIPS === '1' && skipped.length > 0) {
  console.log('Skipped, and BLK_FORBID_SKIPS=1 allows none:');
  for (const test of skipped) console.log(`  ${test.file}: ${test.fullName}`);
  code ||= 1;
}
if (passed + failed === 0) code ||= 1;
// Named again at the very end: what a CI service shows of a long output is its end.
for (const test of tests.filter(({ status }) => status === 'failed')) {
  console.log(`FAILED: ${test.file}: ${test.fullName}`);
  console.log(firstLines(test.failureMessages.join('\n')));
}
for (const suite of broken) console.log(`FAILED: ${relative(root, suite.name)}\n${firstLines(suite.message)}`);
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exit(failed > 0 ? code || 1 : code);

/** The beginning of what a failed test said, without colours. */
function firstLines(text) {
  return stripVTControlCharacters(text)
    .split('\n')
    .filter((line) => !line.includes('node_modules'))
    .slice(0, 6)
    .map((line) => `    ${line.slice(0, 400)}`)
    .join('\n');
}
