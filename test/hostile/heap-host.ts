/**
 * A host in a process of its own, so that its heap can be limited from outside. argv: data folder. Prints its socket once it answers, and
 * ends when its input does.
 */
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
const host = await startHost({ data, env: process.env, sources: [() => Promise.resolve(fixedSource([page]))] });
process.stdout.write(`${JSON.stringify({ socket: host.socket })}\n`);
process.stdin.on('end', () => void host.close(0).then(() => process.exit(0)));
process.stdin.resume();
