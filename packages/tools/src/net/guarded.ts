/**
 * Connections for requests of agents, guarded against requests to addresses that are not meant (SSRF). An address is checked in three places:
 * where it is the host name itself, which no resolver is asked about; where a resolver returns it, so that a name is not connected to
 * at all unless one of its addresses may be; and at the socket once it is connected, whatever came before. Every connection is checked, so a
 * name that changes its address between two requests gains nothing. No proxy of the environment is used.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, buildConnector, Client, fetch, Pool, type Dispatcher } from 'undici';
import { literalIn, whyNotTo, type AddressRange } from './addresses.ts';

export { Pool };

/** The connection was refused by this host, and nothing was sent. */
export class AddressRefused extends Error {
  readonly code = 'CORRAL_ADDRESS';
}

export type Resolve = (
  host: string,
  options: { readonly all: true; readonly family?: number },
  done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

export interface GuardOptions {
  readonly connect_ms: number;
  /** The resolver of the system, unless a test gives another one. */
  readonly resolve?: Resolve | undefined;
}

const bySystem: Resolve = (host, options, done) => systemLookup(host, options, done);

/** A lookup as sockets ask it, which returns addresses that may be connected to, and an error if there are none. */
function guardedLookup(allowed: readonly AddressRange[], resolve: Resolve): LookupFunction {
  return (host, { all, family }, done) => {
    const wanted = family === 4 || family === 6 ? { family } : family === 'IPv4' ? { family: 4 } : family === 'IPv6' ? { family: 6 } : {};
    resolve(host, { all: true, ...wanted }, (error, addresses) => {
      if (error !== null) return done(error, '');
      const able = addresses.filter(({ address }) => whyNotTo(address, allowed) === undefined);
      const [first] = able;
      if (first === undefined) {
        const [refused] = addresses;
        const why = refused === undefined ? 'it has no address' : whyNotTo(refused.address, allowed);
        return done(new AddressRefused(`${host} is not connected to: ${why}.`), '');
      }
      if (all === true) done(null, [...able]);
      else done(null, first.address, first.family);
    });
  };
}

/** @param onConnected called for each connection that came about: from then on something may have been sent */
function connector(allowed: readonly AddressRange[], options: GuardOptions, onConnected: () => void): buildConnector.connector {
  const { connect_ms, resolve = bySystem } = options;
  const connect = buildConnector({ timeout: connect_ms, allowH2: false, autoSelectFamily: true, lookup: guardedLookup(allowed, resolve) });
  return (to, done) => {
    const literal = literalIn(to.hostname);
    const why = literal === undefined ? undefined : whyNotTo(literal, allowed);
    if (why !== undefined) return done(new AddressRefused(`${to.hostname} is not connected to: ${why}.`), null);
    connect(to, (...[error, socket]) => {
      if (error !== null) return done(error, null);
      const peer = socket.remoteAddress;
      const wrong = peer === undefined ? 'its address is not known' : whyNotTo(peer, allowed);
      if (wrong !== undefined) {
        socket.destroy();
        return done(new AddressRefused(`${to.hostname} is not connected to: ${wrong}.`), null);
      }
      onConnected();
      done(null, socket);
    });
  };
}

/** Opens connections for whoever passes bytes on alone. The protocol is `http:`: nothing is added to what passes. */
export const guardedConnect = (allowed: readonly AddressRange[], options: GuardOptions): buildConnector.connector =>
  connector(allowed, options, () => undefined);

/** Bounds of what an origin may answer. Bytes, milliseconds. */
export interface Bounds extends GuardOptions {
  readonly header_bytes: number;
  readonly timeout_ms: number;
  readonly connections: number;
}

const clientOptions = ({ header_bytes, timeout_ms }: Omit<Bounds, 'connections'>) => ({
  maxHeaderSize: header_bytes,
  headersTimeout: timeout_ms,
  bodyTimeout: timeout_ms,
  // It would pass over what `connect` checks.
  allowH2: false,
});

/** Connections to one origin that are used again. For requests that may be repeated: a server may close one as the next request is sent. */
export function pooled(origin: string, allowed: readonly AddressRange[], bounds: Bounds): Pool {
  return new Pool(origin, {
    ...clientOptions(bounds),
    connections: bounds.connections,
    pipelining: 1,
    connect: connector(allowed, bounds, () => undefined),
  });
}

/** A connection for one request, so that it is known whether anything of the request left the host. */
export function single(
  origin: string,
  allowed: readonly AddressRange[],
  bounds: Bounds,
): { readonly client: Dispatcher; readonly sent: () => boolean } {
  let connected = false;
  const connect = connector(allowed, bounds, () => (connected = true));
  return { client: new Client(origin, { ...clientOptions(bounds), pipelining: 1, connect }), sent: () => connected };
}

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** `fetch` for a package that makes the requests itself. It follows no redirect, and connections that are idle end by themselves. */
export function guardedFetch(allowed: readonly AddressRange[], bounds: Omit<Bounds, 'connections'>): Fetch {
  const dispatcher = new Agent({ ...clientOptions(bounds), pipelining: 1, connect: connector(allowed, bounds, () => undefined) });
  // undici declares types of its own for the same interface.
  const ask = fetch as unknown as (url: string | URL, init: object) => Promise<Response>;
  return (url, init) =>
    ask(url, { ...init, redirect: 'manual', dispatcher }).catch((error: unknown) => {
      throw withReason(error);
    });
}

/** undici says only that it failed; why is in the cause, where a package that reports the message does not look. */
function withReason(error: unknown): unknown {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return error;
  const { cause } = error;
  const { code } = cause as NodeJS.ErrnoException;
  return new TypeError(cause.message === '' ? (code ?? error.message) : cause.message, { cause });
}
