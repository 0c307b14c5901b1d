/**
 * The process that a debugger attaches to: an agent in plain Node, in a context of its own, with the deliveries of a journal. Its
 * effects are compared with the recorded ones and dropped.
 *
 * argv: a file with an InspectJob
 */
import { readFileSync } from 'node:fs';
import { constants, createContext, runInContext } from 'node:vm';
import type { InspectJob, InspectSegment } from './job.ts';

type Drive = (operation: number, text?: string) => string | undefined;

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as InspectJob;

/** The agent's position in the journal, for the debugger's console. */
const journal = { crank: 0, delivery: undefined as unknown, expected: undefined as unknown, seen: undefined as unknown };
(globalThis as Record<string, unknown>)['journal'] = journal;

const value = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));
const say = (text: string) => process.stdout.write(`${text}\n`);

let differences = 0;
process.on('unhandledRejection', (error) => {
  say(
    `  ✗ a promise was rejected and nobody caught it: ${error instanceof Object && 'stack' in error ? String(error.stack) : String(error)}`,
  );
  differences += 1;
});
for (const [i, segment] of job.segments.entries()) {
  const drive = born(segment);
  // The debugger knows the agent's files from here on: set breakpoints, then resume.
  // oxlint-disable-next-line no-debugger -- this is where a debugger begins
  if (i === 0) debugger;
  for (const { crank, delivery, effects, title } of segment.cranks) {
    Object.assign(journal, { crank, delivery: value(delivery), expected: value(effects), seen: undefined });
    drive(job.deliver, delivery);
    // The agent's microtasks run before the next turn of the event loop.
    await new Promise(setImmediate);
    const seen = drive(job.collect);
    journal.seen = value(seen);
    const same = effects === undefined || seen === effects;
    if (!same) differences += 1;
    say(
      `  crank ${crank}  ${title}  ${effects === undefined ? 'was recorded without an end' : same ? '✓' : `✗ recorded ${effects}, seen ${seen}`}`,
    );
  }
}
// The end of the journal: `journal` has the last crank.
// oxlint-disable-next-line no-debugger -- see above
debugger;
process.exit(differences === 0 ? 0 : 1);

/** Makes an agent as a cell does: prelude first, then the bundle. Only strings go in. */
function born({ config, source, filename }: InspectSegment): Drive {
  const context = createContext(constants.DONT_CONTEXTIFY);
  const prelude: unknown = runInContext(job.prelude, context, { filename: 'corral:prelude' });
  const make = runInContext(
    `(prelude, parts, config) => prelude(((parts, evaluate) => (name) => () => evaluate(parts[name] ?? ''))(JSON.parse(parts), eval), (kind, message) => { throw new Error('The run would end here: ' + kind + ': ' + message) }, config)`,
    context,
    { filename: 'corral:host' },
  ) as (prelude: unknown, parts: string, config: string) => Drive;
  const drive = make(prelude, JSON.stringify(job.parts), config);
  runInContext(source, context, { filename });
  return drive;
}
