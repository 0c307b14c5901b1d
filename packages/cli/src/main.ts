#!/usr/bin/env node
/** The `corral` command. */
import { EXIT, report } from './failure.ts';
import { createProgram } from './program.ts';

// The reader of stdout may close it early: `corral demo --json | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.bug));

// A closed stderr must not end a run that was asked for.
process.stderr.on('error', () => undefined);

const json = process.argv.includes('--json');
try {
  const program = await createProgram(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  // commander has printed it already
  if (code?.startsWith('commander.') === true) process.exitCode = exitCode === 0 ? EXIT.ok : EXIT.input;
  else process.exitCode = report(error, json);
}
