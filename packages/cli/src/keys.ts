/** Where this process takes the keys of data folders from. */
import type { KeySource } from '@corral/store/sqlite';

/** The variable that holds master keys, in the form that KeySource says. */
const KEY_VARIABLE = 'CORRAL_MASTER_KEY';

/** Without the variable, keys are a file in the data folder. */
export function keySource(env: NodeJS.ProcessEnv = process.env): KeySource {
  const keys = env[KEY_VARIABLE];
  return keys === undefined || keys === '' ? { kind: 'file' } : { kind: 'master', keys };
}
