/** Names the agents of this folder, for tests. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** An agent in a file of its own. */
export interface AgentFile {
  readonly file: string;
}

/** @param name the path below this folder, without `.ts` */
export const agentFile = (name: string): AgentFile => ({ file: fileURLToPath(new URL(`./${name}.ts`, import.meta.url)) });

/** The text of an agent, for a test that writes it into a folder of its own. */
export const agentText = (name: string): string => readFileSync(agentFile(name).file, 'utf8');
