/**
 * An MCP server written with the official SDK, as others write them: over its standard streams, or with `--http` over streamable HTTP on a
 * free port, which it prints. There it may want a token: the one that WANTED_TOKEN names, or one of the issuer ISSUER for it. With an issuer, the
 * body of PUT /lacks says for which scope it refuses requests from then on. Where CLOSES is set, each request needs a connection of its own. It
 * serves both eras; `--legacy` only that of 2025, as SDKs of before did.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { connect } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as z from 'zod';

const text = (value) => ({ content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });

/** Whether anything of the world answers, or only this machine does. */
function reached(port, host) {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1_000 }, () => resolve('connected'));
    socket.on('error', (error) => resolve(error.code)).on('timeout', () => resolve('timeout'));
  });
}

function factory() {
  const server = new McpServer({ name: 'plain', version: '1.0.0' });
  const READS = { readOnlyHint: true, openWorldHint: false };
  server.registerTool(
    'add',
    {
      description: 'Adds two numbers.',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: READS,
    },
    ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }),
  );
  server.registerTool('echoText', { description: 'Says it again.', inputSchema: z.object({ text: z.string() }) }, (said) =>
    text(said.text),
  );
  server.registerTool('fail', { description: 'Fails.', inputSchema: z.object({}) }, () => ({ ...text('it is broken'), isError: true }));
  server.registerTool(
    'note',
    { description: 'Writes a line.', inputSchema: z.object({ file: z.string(), line: z.string() }) },
    ({ file, line }) => {
      appendFileSync(file, `${line}\n`);
      return text('written');
    },
  );
  server.registerTool(
    'wait',
    {
      description: 'Waits, and says how far it is.',
      inputSchema: z.object({ ms: z.number(), steps: z.number().default(1) }),
      annotations: READS,
    },
    async ({ ms, steps }, { mcpReq }) => {
      for (let i = 1; i <= steps; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, ms / steps));
        if (mcpReq.signal.aborted) process.stderr.write('the wait was cancelled\n');
        const token = mcpReq._meta?.progressToken;
        if (token !== undefined)
          await mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken: token, progress: i, total: steps, message: `step ${i}` },
          });
      }
      return text('waited');
    },
  );
  server.registerTool('die', { description: 'Ends its process.', inputSchema: z.object({}) }, () => process.exit(3));
  server.registerTool(
    'around',
    { description: 'Says what it can see.', inputSchema: z.object({ port: z.number(), files: z.array(z.string()) }) },
    async (said) => {
      const may = (file) => {
        try {
          return readFileSync(file, 'utf8').slice(0, 100);
        } catch (error) {
          return error.code;
        }
      };
      return text({
        env: Object.keys(process.env).sort(),
        interfaces: Object.keys(networkInterfaces()),
        host: await reached(said.port, '127.0.0.1'),
        world: await reached(80, '192.0.2.1'),
        files: said.files.map(may),
        pid: process.pid,
      });
    },
  );
  server.registerTool(
    'book',
    { description: 'Books a room after asking who for.', inputSchema: z.object({ room: z.string() }) },
    ({ room }, { mcpReq }) => {
      const answer = mcpReq.inputResponses?.who;
      if (answer === undefined)
        return inputRequired({
          inputRequests: {
            who: inputRequired.elicit({
              message: `Who is room ${room} for?`,
              requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
            }),
          },
          requestState: `room:${room}`,
        });
      if (answer.action === 'accept' && process.env['BOOKINGS'] !== undefined) appendFileSync(process.env['BOOKINGS'], `${room}\n`);
      return text(answer.action === 'accept' ? `${room} is booked for ${answer.content.name}` : `${room} is not booked`);
    },
  );
  server.registerTool(
    'open',
    {
      description: 'Wants people to open an address, or a model.',
      inputSchema: z.object({ what: z.enum(['address', 'model', 'nothing']) }),
    },
    ({ what }, { mcpReq }) => {
      if (what === 'nothing')
        return mcpReq.requestState() === undefined ? inputRequired({ requestState: 'once more' }) : text('asked once more');
      const address = { mode: 'url', message: 'Sign in', url: 'https://example.com/sign-in', elicitationId: 'e1' };
      const model = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 9 } };
      return {
        resultType: 'input_required',
        inputRequests: { it: what === 'model' ? model : { method: 'elicitation/create', params: address } },
      };
    },
  );
  server.registerTool(
    'tunnel',
    {
      description: 'Asks its proxy for something, and says what it answered.',
      inputSchema: z.object({ ask: z.string(), say: z.string().default('') }),
    },
    async ({ ask, say }) => {
      const { hostname, port } = new URL(process.env['HTTPS_PROXY'] ?? 'http://127.0.0.1:3128');
      const socket = connect(Number(port), hostname);
      const heard = [];
      socket.on('data', (chunk) => {
        heard.push(String(chunk));
        if (heard.length === 1 && say !== '' && heard[0].startsWith('HTTP/1.1 200')) socket.write(say);
        if (heard.join('').includes('bye')) socket.end();
      });
      socket.write(`${ask} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await new Promise((resolve) => socket.on('close', resolve).on('error', (error) => heard.push(error.code)));
      return text(
        heard
          .join('')
          .split('\r\n')
          .filter((line) => line !== '' && !/^[a-z-]+: /i.test(line))
          .join(' '),
      );
    },
  );
  server.registerTool('get', { description: 'Fetches an address.', inputSchema: z.object({ url: z.string() }) }, async ({ url }) =>
    text(
      await fetch(url).then(
        (answer) => answer.text(),
        (error) => `${error.cause?.code ?? error.cause?.message ?? error.message}`,
      ),
    ),
  );
  server.registerResource('notes', 'notes://all', { description: 'All notes.', mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'buy milk' }],
  }));
  server.registerPrompt('greet', { description: 'A greeting.', argsSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}.` } }],
  }));
  return server;
}

/** Whether a token was signed by the issuer, for this server. */
async function isOf(issuer, audience, said = '') {
  keys ??= createRemoteJWKSet(new URL(`${issuer}/keys`));
  return jwtVerify(said.replace(/^Bearer /, ''), keys, { issuer, audience }).then(
    () => true,
    () => false,
  );
}
let keys;
/** Scope for which requests are refused; undefined: none. */
let lacks;

process.stderr.write('the server has started\n');
if (process.argv.includes('--http')) {
  const handler = toNodeHandler(createMcpHandler(factory));
  const { WANTED_TOKEN: wanted, ISSUER: issuer } = process.env;
  const answered = async (request, response) => {
    if (process.env['CLOSES'] !== undefined) response.setHeader('connection', 'close');
    const resource = `http://${request.headers.host}/mcp`;
    const metadata = '/.well-known/oauth-protected-resource/mcp';
    if (issuer !== undefined && request.url === metadata) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ resource, authorization_servers: [issuer] }));
      return;
    }
    if (issuer !== undefined && request.url === '/lacks') {
      ({ lacks } = JSON.parse(Buffer.concat(await request.toArray()).toString()));
      response.writeHead(204).end();
      return;
    }
    if (lacks !== undefined) {
      response.writeHead(403, { 'www-authenticate': `Bearer error="insufficient_scope", scope="${lacks}"` }).end();
      return;
    }
    const known = wanted === undefined || request.headers.authorization === `Bearer ${wanted}`;
    if (!known || (issuer !== undefined && !(await isOf(issuer, resource, request.headers.authorization)))) {
      const where = `Bearer resource_metadata="${new URL(metadata, resource)}"`;
      response.writeHead(401, issuer === undefined ? {} : { 'www-authenticate': where }).end();
      return;
    }
    void handler(request, response);
  };
  const server = createServer((request, response) => void answered(request, response));
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
} else if (process.argv.includes('--legacy')) await factory().connect(new StdioServerTransport());
else serveStdio(factory);
