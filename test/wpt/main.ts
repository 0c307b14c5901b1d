/** Runs web-platform-tests in an isolate: `npm run wpt -- --dir DIR`. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { builtImage } from '../image.ts';
import { runInNode } from './beside.ts';
import { runFile } from './run.ts';
import { isForUs, type FileResult } from './script.ts';

const HELP = `npm run wpt -- --dir DIR [FOLDER…] [--beside-node] [--json] [--failed]

  --dir DIR  a checkout of web-platform-tests, or a part of one with resources/testharness.js
  --beside-node
             runs each file in Node as well, and counts how many of the tests that pass there pass in an isolate
  --json     one JSON document
  --failed   names each test that failed; with --beside-node, each that passes in Node

Runs the files *.any.js of the folders in an isolate with the image that they need, and counts by folder. Default: url, encoding, streams,
fetch/api/{headers,request,response}, dom/abort, dom/events, html/webappapis/{structured-clone,timers,microtask-queuing}, compression, FileAPI,
WebCryptoAPI, as far as they are there.

Example: npm run wpt -- --dir ../wpt dom/abort dom/events --failed
`;
const FOLDERS = [
  'url',
  'encoding',
  'streams',
  'fetch/api/headers',
  'fetch/api/request',
  'fetch/api/response',
  'dom/abort',
  'dom/events',
  'html/webappapis/structured-clone',
  'html/webappapis/timers',
  'html/webappapis/microtask-queuing',
  'compression',
  'FileAPI',
  'WebCryptoAPI',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string' },
    'beside-node': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    failed: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || values.dir === undefined) {
  (values.help ? process.stdout : process.stderr).write(HELP);
  process.exit(values.help ? 0 : 2);
}

const root = values.dir;
const image = builtImage();
const folders = (positionals.length > 0 ? positionals : FOLDERS).map((folder) => {
  const files = globSync('**/*.any.js', { cwd: join(root, folder) })
    .map((file) => join(folder, file))
    .filter((file) => isForUs(readFileSync(join(root, file), 'utf8')))
    .sort();
  const both = files.map((file) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${file}`);
    return { here: runFile(root, file, image), node: values['beside-node'] ? runInNode(root, file) : undefined };
  });
  const sum = (of: (pair: (typeof both)[number]) => number) => both.reduce((all, one) => all + of(one), 0);
  return {
    folder,
    files: files.length,
    passed: sum(({ here }) => here.passed.length),
    failed: sum(({ here }) => here.failed.length),
    broken: both.filter(({ here }) => here.broken !== undefined).length,
    ...(values['beside-node']
      ? { in_node: sum(({ node }) => node?.passed.length ?? 0), in_both: sum(({ here, node }) => inBoth(here, node)) }
      : {}),
    results: both.map(({ here, node }) => missing(here, node)).filter(({ failed, broken }) => failed.length > 0 || broken !== undefined),
  };
});

/** Tests of a file by name, which may be that of several. */
function inBoth(here: FileResult, node: FileResult | undefined): number {
  const left = [...here.passed];
  return (node?.passed ?? []).filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  }).length;
}

/** Keeps what one has to look at: failures, and beside Node those that Node does not have. */
function missing({ file, passed, failed, broken }: FileResult, node: FileResult | undefined) {
  const there = node === undefined ? undefined : new Set(node.passed);
  const isOurs = there === undefined || there.size > 0 || node?.broken === undefined;
  return {
    file,
    passed: passed.length,
    failed: failed.filter(({ name }) => there?.has(name) !== false),
    ...(broken !== undefined && isOurs ? { broken } : {}),
  };
}
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');

if (values.json) console.log(JSON.stringify({ node: process.version, image: image.digest, folders }));
else {
  const share = (passed: number, all: number) => (all === 0 ? '' : `${((100 * passed) / all).toFixed(1)} %`);
  const rows = folders
    .filter(({ files }) => files > 0)
    .map(({ folder, files, passed, failed, broken, in_node, in_both }) =>
      [
        folder,
        files,
        passed,
        failed,
        broken,
        share(passed, passed + failed),
        ...(in_node === undefined || in_both === undefined ? [] : [in_node, in_both, share(in_both, in_node)]),
      ].map(String),
    );
  const head = [
    'folder',
    'files',
    'passed',
    'failed',
    'files that broke',
    '',
    ...(values['beside-node'] ? ['pass in Node', 'of these here', ''] : []),
  ];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  for (const row of [head, ...rows])
    console.log(
      row
        .map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    );
  if (values.failed)
    for (const { file, failed, broken } of folders.flatMap(({ results }) => results)) {
      console.log(`\n${file}${broken === undefined ? '' : `: ${broken}`}`);
      for (const { name, message } of failed) console.log(`  ${name}: ${message.split('\n')[0]}`);
    }
}
if (folders.every(({ files }) => files === 0)) {
  console.error(`There are no files *.any.js below ${root} in ${(positionals.length > 0 ? positionals : FOLDERS).join(', ')}.`);
  process.exitCode = 2;
}
