/** Files and folders of a command line: checked before anything is done with them. */
import { stat } from 'node:fs/promises';
import { CorralError } from '@corral/protocol/errors';

/** @throws CORRAL_USAGE */
export async function namedFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new CorralError('CORRAL_USAGE', `There is no file ${path}`);
  if (found.isDirectory()) throw new CorralError('CORRAL_USAGE', `${path} is a folder; name the file with the agent in it.`);
  return path;
}

/** @throws CORRAL_USAGE */
export async function namedFolder(flag: string, path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new CorralError('CORRAL_USAGE', `${flag} names no folder: ${path}`);
  if (!found.isDirectory()) throw new CorralError('CORRAL_USAGE', `${flag} names a file and not a folder: ${path}`);
  return path;
}
