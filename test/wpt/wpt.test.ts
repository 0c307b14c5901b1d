/**
 * The runner of web-platform-tests on a folder of a few files. In the place of their harness stands one that decides nothing: a file says
 * itself how its tests ended, so that what the runner tells can be compared with it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { start } from '../command.ts';
import { temporary } from '../world.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** The three functions that the runner calls, and two for the files: how a test ended, and what the end of the file waits for. */
const HARNESS = `
const told = [], awaited = [];
let tell, ended = { status: 0, message: null };
function setup() {}
function add_completion_callback(callback) { tell = callback; }
function done() { Promise.all(awaited).then(() => tell(told, ended)); }
const result = (name, status, message = null) => told.push({ name, status, message });
const waits = (promise) => awaited.push(promise);
`;

const FILES: Readonly<Record<string, string>> = {
  'resources/testharness.js': HARNESS,
  'common/absolute.js': `result('of a script by its path from the root', 0);`,
  'one/beside.js': `result('of a script beside the file', 0);`,
  'one/scripts.any.js': `// META: title=two scripts
// META: script=/common/absolute.js
// META: script=beside.js
result('its own', 0); result('fails', 1, 'because\\nof this'); result('times out', 2);`,
  // The second is due first, the third never, and none of them takes any time.
  'one/timers.any.js': `const seen = [], began = Date.now(), at = (ms) => new Promise((resolve) => setTimeout(() => { seen.push(ms); resolve(); }, ms));
waits(at(3_600_000)); waits(at(20)); clearTimeout(setTimeout(() => seen.push('cleared'), 10));
waits(at(3_600_001).then(() => result('tells', 1, JSON.stringify([seen, Date.now() - began]))));`,
  'one/page.any.js': `// META: global=window
result('for a page', 0);`,
  'one/service.any.js': `// META: global=serviceworker,sharedworker
result('for a worker that we are not', 1);`,
  'one/no-test.js': `result('in a file of another name', 1);`,
  'three/data.json': '{"a":1}',
  'three/fetches.any.js': `result(location.pathname + ' ' + new Request('beside').url, 0);
waits(fetch('data.json').then((response) => response.json()).then(({ a }) => result('reads ' + a, 0)));
waits(fetch('http://example.org:1/').catch((error) => result('a bad port is a ' + error.constructor.name, 0)));`,
  'three/of-node.any.js': `result('for Node', typeof Buffer === 'function' ? 0 : 1, 'there is no Buffer'); result('for nobody', 1); console.log('said');`,
  'two/no-script.any.js': `// META: script=gone.js
result('not reached', 0);`,
  'two/throws.any.js': `result('lost', 0); throw new TypeError('on load');`,
  'two/no-code.any.js': `result(`,
  'two/hangs.any.js': `waits(new Promise(() => undefined));`,
  'two/never-ends.any.js': `waits(new Promise(() => undefined)); setInterval(() => undefined, 1);`,
  'two/harness.any.js': `result('kept', 0); ended = { status: 1, message: 'the harness failed' };`,
};

async function wpt(...args: string[]) {
  const root = await temporary();
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return start([process.execPath, '--no-node-snapshot', MAIN, '--dir', root, ...args]).said;
}

test('what the tests of each file say is counted, and files that do not end by themselves are named with the reason', async () => {
  const { code, out, err } = await wpt('one', 'two', '--json');
  expect([code, err]).toEqual([0, '']);
  const broken = (name: string, why: string) => ({
    file: `two/${name}.any.js`,
    passed: 0,
    failed: [],
    broken: expect.stringContaining(why) as string,
  });
  expect(JSON.parse(out)).toMatchObject({
    node: process.version,
    folders: [
      {
        folder: 'one',
        files: 3,
        passed: 4,
        failed: 3,
        broken: 0,
        results: [
          {
            file: 'one/scripts.any.js',
            passed: 3,
            failed: [
              { name: 'fails', message: 'because\nof this' },
              { name: 'times out', message: 'it failed' },
            ],
          },
          // Its timers come in the order in which they are due, at their time.
          { file: 'one/timers.any.js', passed: 0, failed: [{ name: 'tells', message: '[[20,3600000,3600001],3600001]' }] },
        ],
      },
      {
        folder: 'two',
        files: 6,
        passed: 1,
        failed: 0,
        broken: 6,
        results: [
          broken('hangs', 'it waits for something that does not come'),
          { ...broken('harness', 'the harness failed'), passed: 1 },
          broken('never-ends', 'it did not end in 5000 cranks'),
          broken('no-code', 'Unexpected token'),
          broken('no-script', 'gone.js'),
          broken('throws', 'on load'),
        ],
      },
    ],
  });
});

test('a file has the address and the neighbours that a server would give it, and what Node does not pass is told apart', async () => {
  const { code, out, err } = await wpt('three', '--json', '--beside-node');
  expect([code, err]).toEqual([0, '']);
  expect(JSON.parse(out)).toMatchObject({
    folders: [
      {
        folder: 'three',
        passed: 3,
        failed: 2,
        broken: 0,
        in_node: 4,
        in_both: 3,
        results: [{ file: 'three/of-node.any.js', passed: 0, failed: [{ name: 'for Node', message: 'there is no Buffer' }] }],
      },
    ],
  });
  const table = await wpt('three', '--failed', '--beside-node');
  expect(table.out).toMatch(/^three +2 +3 +2 +0 +60\.0 % +4 +3 +75\.0 %$/m);
  expect(table.out).not.toContain('for nobody');
});

test('people get a table, and the failures of each file by name', async () => {
  const { code, out } = await wpt('one', '--failed');
  expect(code).toBe(0);
  expect(out).toMatch(/^one +3 +4 +3 +0 +57\.1 %$/m);
  expect(out).toContain('one/scripts.any.js\n  fails: because\n  times out: it failed\n');
});

test('a folder without such files is told, with 2', async () => {
  expect(await wpt('common')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^There are no files \*\.any\.js below .* in common\.$/m) as string,
  });
});
