/** A program that another agent made at run time, as the one agent of its isolate. */
import type { AgentContext, AgentDefinition, Uses } from '../sdk/types.ts';
import { AGENT } from '../sdk/types.ts';
import { PROGRAM_FILE } from '../abi.ts';
import { errorStack } from './describe.ts';
import { isError } from './inspect.ts';

/** The script of a program assigns this: a function of the context that gives the program's own. */
export type ProgramExports = readonly [(context: AgentContext<unknown, Uses>) => () => Promise<unknown>];

export function programAgent(name: string, made: ProgramExports): AgentDefinition {
  const options = { name, program: true, run: (context: AgentContext<unknown, Uses>) => made[0](context)() };
  return { ...options, [AGENT]: options } as unknown as AgentDefinition;
}

/** Whether a definition is that of a program. */
export const isProgram = (definition: AgentDefinition): boolean => Object.hasOwn(definition, 'program');

/** Where in the program an error was thrown, for the message that its author reads: models are rarely shown a stack. */
export function lineOf(error: unknown): string {
  const stack = (isError(error) ? errorStack(error) : undefined) ?? '';
  const at = stack.indexOf(IN_PROGRAM);
  const line = at === -1 ? Number.NaN : Number.parseInt(stack.slice(at + IN_PROGRAM.length, at + IN_PROGRAM.length + DIGITS), 10);
  return Number.isNaN(line) ? '' : ` (line ${line} of the program)`;
}

const IN_PROGRAM = `${PROGRAM_FILE}:`;
const DIGITS = 7;
