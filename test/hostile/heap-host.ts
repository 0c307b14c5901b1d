/**
 * A host in a process of its own, so that its heap can be limited from outside. argv: data folder. Prints its socket once it answers, and
 * ends when its input does.
 */
import { writeFileSync } from 'node:fs';
import { inlineTool } from '@corral/tools/define';
import { fixedSource } from '@corral/tools/sources';
import { startHost } from '@corral/server/host';
import * as z from 'zod';

const [data = ''] = process.argv.slice(2);
const page = inlineTool({
  name: 'web.page',
  description: 'Returns a page of so many characters.',
  input: z.object({ chars: z.number() }),
  output: z.object({ text: z.string() }),
  annotations: { readOnly: true, openWorld: false, destructive: false, idempotent: true, returns: 'untrusted' },
  run: ({ chars }) => ({ text: 'x'.repeat(chars) }),
});
const QUIET = { loops: false };
// Only memory stops runs here.
const config = `${data}.json`;
writeFileSync(config, JSON.stringify({ policies: 'none', tenants: { local: QUIET, a: QUIET, b: QUIET, c: QUIET, d: QUIET } }));
const host = await startHost({ data, config, oneWall: true, env: process.env, sources: [() => Promise.resolve(fixedSource([page]))] });
process.stdout.write(`${JSON.stringify({ socket: host.socket })}\n`);
process.stdin.on('end', () => void host.close(0).then(() => process.exit(0)));
process.stdin.resume();
