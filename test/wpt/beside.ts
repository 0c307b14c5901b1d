/** Runs one file of web-platform-tests in a process of this Node, to compare with: what Node does not pass is not asked of an isolate. */
import { spawnSync } from 'node:child_process';
import { broken, resultOf, scriptOf, type FileResult, type Told } from './script.ts';

const MOST_MS = 60_000;
/** A file may have ten thousand tests. */
const MOST_BYTES = 256 * 1024 * 1024;
/** Begins the line that tells the results; tests may print others. */
const MARK = 'wpt-told ';

/** @param root as for an isolate */
export function runInNode(root: string, file: string): FileResult {
  try {
    const { text } = scriptOf(root, file);
    const tell = `globalThis.wptDone = (told) => { process.stdout.write('\\n${MARK}' + JSON.stringify(told) + '\\n', () => process.exit(0)); };`;
    const input = `process.on('unhandledRejection', () => undefined); ${tell} (0, eval)(${JSON.stringify(text)});`;
    const { stdout, stderr, error } = spawnSync(process.execPath, ['--input-type=commonjs', '-'], {
      input,
      timeout: MOST_MS,
      maxBuffer: MOST_BYTES,
      encoding: 'utf8',
    });
    const told = stdout.split('\n').find((line) => line.startsWith(MARK));
    return told === undefined
      ? broken(file, error?.message ?? stderr.trim().split('\n').at(-1) ?? '')
      : { file, ...resultOf(JSON.parse(told.slice(MARK.length)) as Told) };
  } catch (error) {
    return broken(file, (error as Error).message);
  }
}
