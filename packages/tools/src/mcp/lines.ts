/** How an MCP server is reached: the program of one on this machine, or the address of one elsewhere. */
import { ClientCredentialsProvider, StreamableHTTPClientTransport, type FetchLike } from '@modelcontextprotocol/client';
import type { ProgramSpec, StartProgram } from '@corral/protocol/ports/program';
import type { Bearer } from './authorization.ts';
import type { Line } from './link.ts';
import { StdioTransport } from './stdio.ts';

/** @param tell is given lines of its error output */
export function programLine(spec: ProgramSpec, start: StartProgram, tell: (line: string) => void): () => Line {
  return () => {
    const transport = new StdioTransport(() => start(spec), tell);
    return { transport, why: () => transport.why, lastWords: () => transport.lastWords, kill: (why) => transport.kill(why) };
  };
}

export interface Address {
  readonly url: string;
  /** Values with their secrets in place. */
  readonly headers: Readonly<Record<string, string>>;
  readonly oauth:
    | { readonly client_id: string; readonly client_secret: string; readonly issuer: string; readonly scope: string | undefined }
    | undefined;
  /** Gives the tokens of a login. */
  readonly login?: (() => Bearer) | undefined;
}

/** @param fetch makes all of its requests, those to its authorization server included */
export function addressLine({ url, headers, oauth, login }: Address, fetch: FetchLike): () => Line {
  // One for all connections, since it holds the tokens.
  const own =
    oauth === undefined
      ? undefined
      : new ClientCredentialsProvider({
          clientId: oauth.client_id,
          clientSecret: oauth.client_secret,
          expectedIssuer: oauth.issuer,
          clientName: 'corral',
          ...(oauth.scope === undefined ? {} : { scope: oauth.scope }),
        });
  return () => {
    const bearer = login?.();
    const authProvider = bearer ?? own;
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      fetch: bearer?.fetch ?? fetch,
      requestInit: { headers },
      ...(authProvider === undefined ? {} : { authProvider }),
    });
    return { transport, why: () => undefined, lastWords: () => '' };
  };
}
