/** The tools of `corral dev`: those of the host, some of them replaced by answers from files, and consent to the destructive ones. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import { targetText } from '@corral/protocol/ids';
import { readJson } from '@corral/protocol/json-text';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import { didYouMean } from '@corral/protocol/nearest';
import { contractOf, detailOf } from '@corral/protocol/ports/contract';
import { REVERSIBLE_CHANGE, type Tool, type ToolResult } from '@corral/protocol/ports/tool';
import { hasTerminal, isAllowed } from '../ask.ts';

/** Files with answers, by tool. */
export type Fakes = ReadonlyMap<string, string>;

/** Reads `--fake bank.pay=paid.json`, given any number of times. @throws CORRAL_USAGE */
export function fakesOf(said: readonly string[]): Fakes {
  return new Map(
    said.map((one) => {
      const at = one.indexOf('=');
      if (at < 1 || at === one.length - 1)
        throw new CorralError('CORRAL_USAGE', `--fake takes a tool and a file with its answer, such as bank.pay=paid.json, not ${one}.`);
      return [one.slice(0, at), resolve(one.slice(at + 1))] as const;
    }),
  );
}

/**
 * @param configured whether a configuration says which tools there are; else a fake may have any name
 * @returns the tools with the fakes in their places @throws CORRAL_USAGE for a fake of a tool that the host does not have
 */
export function withFakes(tools: readonly Tool[], fakes: Fakes, configured: boolean): Tool[] {
  const names = tools.map(({ name }) => name);
  for (const name of fakes.keys()) {
    if (!configured || names.includes(name)) continue;
    throw new CorralError('CORRAL_USAGE', `--fake: there is no tool ${name}.${didYouMean(name, names)}`);
  }
  const known = tools.map((tool) => {
    const file = fakes.get(tool.name);
    if (file === undefined) return tool;
    // A fake answers in place of people too.
    const { asks: _asks, ...one } = tool;
    return { ...one, invoke: () => answerOf(tool, file) };
  });
  const unknown = [...fakes].filter(([name]) => !names.includes(name)).map(([name, file]) => toolFrom(name, file));
  return [...known, ...unknown];
}

/** A tool of which only its answer is known. */
function toolFrom(name: string, file: string): Tool {
  const tool = {
    name,
    description: `A fake of ${name}.`,
    input: contractOf(z.unknown()),
    output: contractOf(z.unknown(), 'output'),
    annotations: REVERSIBLE_CHANGE,
  };
  return { ...tool, invoke: () => answerOf(tool, file) };
}

/** Read at each call, so that an edited answer counts at once. */
async function answerOf({ name, output }: Pick<Tool, 'name' | 'output'>, file: string): Promise<ToolResult> {
  try {
    const answer = output.check(readJson(await readFile(file, 'utf8')));
    if (answer.ok) return { kind: 'ok', value: answer.value };
    const where = answer.where === '' ? '' : `${answer.where}: `;
    return {
      kind: 'failed',
      message: `The fake of ${name} does not fit its output schema.`,
      code: 'CORRAL_RESULT_INVALID',
      detail: `${file}: ${where}${answer.message}`,
    };
  } catch (error) {
    return { kind: 'failed', message: `The fake of ${name} cannot be read.`, detail: `${file}: ${detailOf(error)}` };
  }
}

/** The tools that the agents of a bundle may call, without the fakes. */
export function realTools(manifests: readonly AgentManifest[], tools: readonly Tool[], fakes: Fakes): Tool[] {
  const used = new Set<string>(manifests.flatMap(({ uses }) => Object.values(uses)));
  return tools.filter(({ name, asks }) => used.has(targetText(name)) && !fakes.has(name) && asks === undefined);
}

const isDestructive = ({ annotations: { readOnly, destructive } }: Tool) => destructive && !readOnly;

/** One line that says what will be done for real. */
export function realLine(tools: readonly Tool[]): string | undefined {
  if (tools.length === 0) return undefined;
  const about = (tool: Tool) =>
    `${tool.name} (${tool.annotations.readOnly ? 'reads' : isDestructive(tool) ? 'CANNOT BE UNDONE' : 'changes something'})`;
  return `real tools: ${tools.map((tool) => about(tool)).join(', ')}`;
}

/** Asks once about each destructive tool, at the terminal. */
export class Consent {
  readonly #given = new Set<string>();
  readonly #always: boolean;

  /** @param always nobody is asked */
  constructor(always: boolean) {
    this.#always = always;
  }

  /** @throws CORRAL_USAGE if a person says no, or there is nobody to ask */
  async mustHave(tools: readonly Tool[]): Promise<void> {
    const open = tools.filter((tool) => isDestructive(tool) && !this.#given.has(tool.name)).map(({ name }) => name);
    if (this.#always || open.length === 0) return;
    const names = open.join(', ');
    const how = `Give \`--fake ${open[0] ?? ''}=FILE.json\` for an answer of your own, or \`--real\` to have them run without a question.`;
    if (!hasTerminal())
      throw new CorralError(
        'CORRAL_USAGE',
        `The agent may call ${names} for real, which cannot be undone, and no terminal is there to ask at. ${how}`,
      );
    if (!(await isAllowed(`The agent may call ${names} for real, which cannot be undone. Go on?`)))
      throw new CorralError('CORRAL_USAGE', `Not run, since it may call ${names}. ${how}`);
    for (const name of open) this.#given.add(name);
  }
}
