/** A receiver of webhooks for tests: a real server that keeps what it is sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @param answer a status; undefined: it never answers */
export async function receiver(
  answer: (n: number) => number | undefined,
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
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}
