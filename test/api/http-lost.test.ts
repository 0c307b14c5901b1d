/** Requests whose host is killed before their answer has come: what may be made again is, and of the rest nobody claims to know. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { agentText } from '../agents/file.ts';
import { CORRAL, start } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { found, until } from '../until.ts';

const CASES = [
  { method: 'GET', honours: false, requests: 2 },
  { method: 'POST', honours: true, requests: 2 },
  { method: 'POST', honours: false, requests: 1 },
] as const;

test.each(CASES)(
  'of a request by $method, with a key that the server honours: $honours',
  { tags: 'long' },
  async ({ method, honours, requests }) => {
    const asked: (string | undefined)[] = [];
    const answers = new Set<() => void>();
    const server = createServer((request, response) => {
      asked.push(request.headers['idempotency-key'] as string | undefined);
      // The first is never answered.
      if (asked.length > 1) response.end('at last');
      else answers.add(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => (server.closeAllConnections(), void server.close()));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const crm = { origins: [origin], methods: ['GET', 'POST'], ...(honours ? { idempotency_key: 'idempotency-key' } : {}) };
    const configText = JSON.stringify({ policies: 'none', http: { crm, wide: { origins: ['https://*'] } } });
    const folder = await shortFolder();
    const data = join(folder, 'd');
    const config = join(folder, 'corral.config.json');
    await writeFile(config, configText);
    await writeFile(join(folder, 'fetches.ts'), agentText('http/fetches'));
    const corral = (...args: string[]) => start([...CORRAL, ...args], { cwd: folder, env: { CORRAL_DATA: data } });
    const first = corral('up', '--data', data, '--port', '0', '--json', '--config', config);
    await until(() => first.out().includes('\n'), 'the host is up');
    expect((await corral('deploy', 'fetches.ts').said).code).toBe(0);
    const input = JSON.stringify({ requests: [{ url: `${origin}/v1`, init: { method } }] });
    const run = (await corral('submit', 'fetches', '--input', input).said).out.trim() as RunId;
    await until(() => asked.length === 1, 'the server is asked');
    first.child.kill('SIGKILL');
    await first.said;
    const second = await front({ data, configText });
    const shown = await found(async () => {
      const one = await second.admin.showRun({ params: { run }, query: { wait_ms: 1_000 } });
      return one.outcome !== null || one.waiting === 'resolution' ? one : undefined;
    }, 'it ends, or a person is asked');
    const isKnown = { kind: 'completed', output: [{ status: 200, text: 'at last' }] };
    expect([shown.waiting, shown.outcome]).toMatchObject(requests === 2 ? ['nothing', isKnown] : ['resolution', null]);
    expect(asked).toHaveLength(requests);
    // Where it has a key it is the same request to a server that knows such keys.
    expect([new Set(asked).size, asked[0] !== undefined]).toEqual([1, honours]);
  },
);
