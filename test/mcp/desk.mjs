/**
 * The MCP server of a support desk, to be killed in the middle of calls: over its standard streams, or with a port over streamable HTTP, where
 * it wants its key as a token and prints its port. `look` and `act` take a moment, and write into a file what they do and for which call. It is careless:
 * it repeats its key in each answer, in what it declares and in its error output. A call for `end` ends it.
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';

const [file, step_ms, port] = process.argv.slice(2);
const key = process.env['KEY'] ?? '';
const moment = () => new Promise((resolve) => setTimeout(resolve, Number(step_ms)));

function factory() {
  const server = new McpServer({ name: 'desk', version: '1.0.0' });
  const does =
    (...steps) =>
    async ({ of }, { mcpReq }) => {
      for (const what of steps) {
        const call = mcpReq._meta?.['corral/idempotency-key'];
        appendFileSync(file, `${JSON.stringify({ what, of, call, at: Date.now() })}\n`);
        if (what !== 'answers') await moment();
        // It has no answer, whichever of the two would be sooner.
        if (of === 'end') return new Promise(() => process.stderr.write(`the desk is closed with ${key}\n`, () => process.exit(1)));
      }
      return { content: [{ type: 'text', text: `done for ${of} with ${key}` }] };
    };
  const inputSchema = z.object({ of: z.string() });
  server.registerTool('look', { description: `Looks something up with ${key}.`, inputSchema }, does('begins', 'looks', 'answers'));
  server.registerTool('act', { description: 'Does something for a customer.', inputSchema }, does('begins', 'acts', 'answers'));
  return server;
}

process.stderr.write(`the desk is open with ${key}\n`);
if (port === undefined) serveStdio(factory);
else {
  const handler = toNodeHandler(createMcpHandler(factory));
  const server = createServer((request, response) => {
    if (request.headers.authorization === `Bearer ${key}`) void handler(request, response);
    else response.writeHead(401).end();
  });
  server.listen(Number(port), '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
}
