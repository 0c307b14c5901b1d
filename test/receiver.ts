/** A receiver of webhooks for tests: a real server that keeps what it is sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Finished } from './shared.ts';
import { found } from './until.ts';

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * @param answer a status; undefined: it never answers
 * @param finished when it ends; by default with the test
 */
export async function receiver(
  answer: (n: number) => number | undefined,
  finished: Finished = onTestFinished,
): Promise<{ readonly got: readonly Post[]; readonly url: string }> {
  const got: Post[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      got.push({ headers: request.headers as Record<string, string>, body });
      const status = answer(got.length);
      if (status === undefined) return;
      response.statusCode = status;
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  finished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

/** An event in the form in which webhooks have it. */
interface Told {
  readonly type: string;
  readonly link?: string;
  readonly data: { readonly run: string };
}
/** The link that a webhook was sent to the call for which a run waits. */
export const sentLink = (got: readonly Post[], run: string): Promise<string> =>
  found(
    () => got.map(({ body }) => JSON.parse(body) as Told).find(({ type, data }) => type === 'run.asked' && data.run === run)?.link,
    'a link was sent',
  );
