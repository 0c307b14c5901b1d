/**
 * license-audit: reports the declared and the actual licence of every package in a folder such as `node_modules`.
 *
 * A crew: this coordinator spawns a reader for each package, with a capability that reaches that package's folder and
 * nothing else; readers send what they found to a checker; the coordinator writes the checker's verdicts as one report.
 */
import { defineAgent, type Child } from '@corral/guest';
import * as z from 'zod/mini';
import { checker } from './checker.ts';
import { reader } from './reader.ts';
import { asMarkdown, Report } from './report.ts';

/** Readers at work at once. */
const CREW = 12;

export default defineAgent({
  name: 'license-audit',
  purpose: 'Report the licences of all installed packages, and where they conflict or are missing.',
  input: z.object({ title: z.string() }),
  output: Report,
  uses: { list: 'tool:fs.list', read: 'tool:fs.read', report: 'tool:fs.write' },
  spawns: { reader, checker },
  budget: { cpu_ms: 60_000, children: 2_000, calls: 50_000 },
  async run({ input, caps, spawn, budget, emit }) {
    const judge = spawn(checker, {}, { budget: budget.slice({ cpu_ms: 5_000, messages: 0, calls: 0 }) });
    const todo = await packagesIn(caps.list, '.');
    const failed: { path: string; outcome: string }[] = [];
    let done = 0;

    const work = async (): Promise<void> => {
      for (let path = todo.shift(); path !== undefined; path = todo.shift()) {
        const under = { where: { path: { under: path } } };
        const child: Child = spawn(
          reader,
          { path },
          {
            caps: {
              read: caps.read.attenuate({ ...under, uses: 20 }),
              list: caps.list.attenuate({ ...under, uses: 20 }),
              judge: judge.mailbox,
            },
            budget: budget.slice({ cpu_ms: 1_000, calls: 40, messages: 1, bytes: 2_000_000 }),
          },
        );
        const end = await child.ended;
        if (end.kind === 'completed') todo.push(...(end.output as { nested: string[] }).nested);
        else failed.push({ path, outcome: end.kind });
        done += 1;
        emit('progress', { done, total: done + todo.length });
      }
    };
    // A package may bring packages of its own, so work can appear while others are at it.
    while (todo.length > 0) await Promise.all(Array.from({ length: CREW }, work));

    await judge.send({ kind: 'done', failed });
    const verdict = await judge.ended;
    if (verdict.kind !== 'completed') throw new Error(`The checker ended as ${verdict.kind}.`);
    const report = Report.parse({ title: input.title, ...(verdict.output as object) });
    await caps.report({ path: 'licenses.json', text: `${JSON.stringify(report, null, 2)}\n` });
    await caps.report({ path: 'licenses.md', text: asMarkdown(report) });
    return report;
  },
});

/** The packages that lie directly in a `node_modules` folder, scoped ones included. */
async function packagesIn(
  list: (input: { path: string }) => Promise<{ entries: { name: string; kind: string }[] }>,
  folder: string,
): Promise<string[]> {
  const found: string[] = [];
  for (const { name, kind } of (await list({ path: folder })).entries) {
    if (kind !== 'folder' || name.startsWith('.')) continue;
    if (!name.startsWith('@')) found.push(name);
    else for (const inner of (await list({ path: name })).entries) if (inner.kind === 'folder') found.push(`${name}/${inner.name}`);
  }
  return found;
}
