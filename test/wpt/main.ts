/** Runs web-platform-tests in an isolate: `npm run wpt -- --dir DIR`. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { builtImage } from '../image.ts';
import { isForUs, runFile, type FileResult } from './run.ts';

const HELP = `npm run wpt -- --dir DIR [FOLDER…] [--json] [--failed]

  --dir DIR  a checkout of web-platform-tests, or a part of one with resources/testharness.js
  --json     one JSON document
  --failed   names each test that failed

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
  const results = files.map((file): FileResult => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${file}`);
    return runFile(root, file, image);
  });
  const sum = (of: (result: FileResult) => number) => results.reduce((all, one) => all + of(one), 0);
  return {
    folder,
    files: files.length,
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed.length),
    broken: results.filter(({ broken }) => broken !== undefined).length,
    results: results.filter(({ failed, broken }) => failed.length > 0 || broken !== undefined),
  };
});
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');

if (values.json) console.log(JSON.stringify({ node: process.version, image: image.digest, folders }));
else {
  const share = (passed: number, all: number) => (all === 0 ? '' : `${((100 * passed) / all).toFixed(1)} %`);
  const rows = folders
    .filter(({ files }) => files > 0)
    .map(({ folder, files, passed, failed, broken }) =>
      [folder, files, passed, failed, broken, share(passed, passed + failed)].map(String),
    );
  const head = ['folder', 'files', 'passed', 'failed', 'files that broke', ''];
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
