/** Names the agents of this folder, for tests. */
import { fileURLToPath } from 'node:url';

/** An agent in a file of its own. */
export interface AgentFile {
  readonly file: string;
}

/** @param name the path below this folder, without `.ts` */
export const agentFile = (name: string): AgentFile => ({ file: fileURLToPath(new URL(`./${name}.ts`, import.meta.url)) });
