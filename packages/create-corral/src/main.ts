#!/usr/bin/env node
/** `npm create corral [FOLDER]`: a folder with a first agent. It runs on the Node that npm runs on, which may be older than Corral's. */
import { resolve } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { init, InitRefused, nextSteps } from './init.ts';

const [folder = 'my-agent', ...more] = process.argv.slice(2);
if (folder.startsWith('-') || more.length > 0) {
  process.stderr.write(
    'Usage: npm create corral [FOLDER]\nWrites an agent, its test, a configuration and a first policy; FOLDER is my-agent unless named.\n',
  );
  process.exit(folder === '--help' || folder === '-h' ? 0 : 2);
}
try {
  const home = resolve(folder);
  const made = await init({ folder: home, version: manifest.version, node: process.version });
  process.stdout.write(`${made.files.map((file) => `${folder}/${file}`).join('\n')}\n\n${nextSteps(made, home)}\n`);
} catch (error) {
  if (!(error instanceof InitRefused)) throw error;
  // The code is that of `corral init`.
  process.stderr.write(`CORRAL_USAGE ${error.message}\n`);
  process.exitCode = 2;
}
