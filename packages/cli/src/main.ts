#!/usr/bin/env node
/** The `corral` command. */
import { EXIT, report } from './failure.ts';
import { createProgram } from './program.ts';

const program = createProgram();

// Whoever reads us may stop reading: `corral demo --json | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.bug));

// Progress that nobody reads is not worth ending for: a run that was asked for is done all the same.
process.stderr.on('error', () => undefined);

const json = process.argv.includes('--json');
try {
  await program.parseAsync();
} catch (error) {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  // commander has said it already
  if (code?.startsWith('commander.') === true) process.exitCode = exitCode === 0 ? EXIT.ok : EXIT.input;
  else process.exitCode = report(error, json);
}
