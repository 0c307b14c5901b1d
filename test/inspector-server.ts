/** An inspector on loopback, for tests: it says what it was told to, and notes what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface Inspected {
  readonly inspector: string;
  readonly place: string;
  readonly run: string;
  readonly effect: number;
  readonly target: string;
  readonly value: unknown;
  /** The key that came along. */
  readonly key: string | undefined;
}

/** An answer: JSON, text that is none, a status; undefined: nothing ever. */
type Verdict = object | string | number | undefined;

export interface InspectorServer {
  readonly url: string;
  readonly asked: Inspected[];
  reply: (asked: Inspected) => Verdict | Promise<Verdict>;
}

export async function inspectorServer(reply: InspectorServer['reply']): Promise<InspectorServer> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
    const asked = { ...(JSON.parse(text) as Inspected), key: request.headers.authorization?.replace('Bearer ', '') };
    made.asked.push(asked);
    const said = await made.reply(asked);
    if (said === undefined) return;
    if (typeof said === 'number') response.statusCode = said;
    response.setHeader('content-type', 'application/json');
    response.end(typeof said === 'string' ? said : JSON.stringify(said));
  };
  const server = createServer(
    (request, response) => void answer(request, response).catch((error: unknown) => response.destroy(error as Error)),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const made: InspectorServer = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/inspect`, asked: [], reply };
  return made;
}
