/**
 * The world of the scene: an inbox, a bank, and the means to kill the host. It lives in the process that starts the host and outlives it, so what
 * the bank has booked does not depend on the host's memory. The host reaches it over HTTP on loopback, with a secret that only the two have.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SceneView } from '@corral/protocol/api/scene';
import { CorralError } from '@corral/protocol/errors';

export type Booked = SceneView['payments'][number];
export type OutsideView = Pick<SceneView, 'model' | 'mails' | 'payments' | 'bare' | 'host'>;

export interface OutsidePort {
  /** Puts a mail into the inbox. @returns its number */
  write(text: string): Promise<number>;
  /** The text of a mail; null if there is none. */
  read(mail: number): Promise<string | null>;
  /** @returns the number of the payment in the books of the bank */
  pay(payment: Booked): Promise<number>;
  /** Begins a run of the clerk without Corral. */
  begin(mail: number): Promise<void>;
  /** Whether this is the code of the link. It is good once. */
  enter(code: string): Promise<boolean>;
  /** Sends SIGKILL to the host soon, so that the request which asks for it still has its answer. */
  kill(): Promise<void>;
  look(): Promise<OutsideView>;
}

const METHODS = ['write', 'read', 'pay', 'begin', 'enter', 'kill', 'look'] as const satisfies readonly (keyof OutsidePort)[];
type Call = (...args: readonly unknown[]) => Promise<unknown>;

/** The most that a request of the host has: a mail, and what JSON makes of it. */
const REQUEST_BYTES = 64 * 1024;

export interface OutsideServer {
  readonly url: string;
  close(): void;
}

export async function serveOutside(outside: OutsidePort, secret: string): Promise<OutsideServer> {
  const server = createServer((request, response) => {
    answered(outside, secret, request).then(
      (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ value: value ?? null })),
      (error: unknown) => {
        response.statusCode = 400;
        response.end(String(error));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function answered(outside: OutsidePort, secret: string, request: IncomingMessage): Promise<unknown> {
  if (!isSame(request.headers.authorization ?? '', `Bearer ${secret}`)) throw new Error('Only the host of the scene may ask.');
  const method = METHODS.find((one) => request.url === `/${one}`);
  if (method === undefined) throw new Error(`There is no ${request.url} here.`);
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > REQUEST_BYTES) throw new Error('The request is too long.');
  }
  return Reflect.apply(outside[method] as Call, outside, JSON.parse(text) as unknown[]);
}

/** The comparison takes as long for each text, so its time tells nothing of the secret. */
export const isSame = (one: string, other: string): boolean =>
  timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));

/** The same from the host's side. @throws CORRAL_INTERNAL if the process that started the host does not answer */
export function reachOutside({ url, secret }: { readonly url: string; readonly secret: string }): OutsidePort {
  const ask = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}/${method}`, { method: 'POST', headers, body: JSON.stringify(args) });
    if (!response.ok) throw new CorralError('CORRAL_INTERNAL', `The scene refuses ${method}: ${await response.text()}`);
    return ((await response.json()) as { readonly value: unknown }).value;
  };
  return Object.fromEntries(
    METHODS.map((method) => [method, (...args: readonly unknown[]) => ask(method, args)]),
  ) as unknown as OutsidePort;
}
