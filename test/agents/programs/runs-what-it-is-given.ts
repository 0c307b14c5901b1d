/** Runs the program of its input, as an agent does with what a model wrote, and says how that ended. */
import { defineAgent, type Budget } from '@corral/guest';
import * as z from 'zod/mini';

interface Job {
  readonly source: string;
  readonly input?: unknown;
  readonly caps?: readonly ('read' | 'note')[];
  readonly narrow?: Readonly<Record<string, { uses: number }>>;
  readonly output?: keyof typeof OUTPUTS;
  readonly budget?: Budget;
}

const OUTPUTS = { number: z.number(), even: z.number().check(z.refine((n) => n % 2 === 0, 'must be even')), word: ['yes', 'no'] as const };

export default defineAgent({
  name: 'planner',
  uses: { read: 'tool:read', note: 'tool:note' },
  code: true,
  ceilings: { memory_mib: 32 },
  async run({ input, caps, spawn }) {
    const { source, input: data, caps: names = [], narrow = {}, output, budget } = input as Job;
    const given = Object.fromEntries(
      names.map((name) => [name, narrow[name] === undefined ? caps[name] : caps[name].attenuate(narrow[name])]),
    );
    const child = spawn.code(source, {
      caps: given,
      input: data,
      ...(output === undefined ? {} : { output: OUTPUTS[output] }),
      ...(budget === undefined ? {} : { budget }),
    });
    const { spent: _, run: __, ...end } = await child.ended;
    return end;
  },
});
