/** Checks ids before a request is sent, so that the message is about what was typed and not about a schema. */
import type { Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import { GrantId, RunId } from '@corral/protocol/ids';

/** @throws CORRAL_USAGE */
export function runId(text: string): RunId {
  const parsed = RunId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new CorralError(
    'CORRAL_USAGE',
    `${text.slice(0, 100)} is not the id of a run; those look like run_0123456789ab, and corral ps lists them.`,
  );
}

/** @throws CORRAL_USAGE */
function grantId(text: string): GrantId {
  const parsed = GrantId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new CorralError(
    'CORRAL_USAGE',
    `${text.slice(0, 100)} is not the id of a grant; those look like grant_0123456789ab, and corral authority RUN names them.`,
  );
}

const CHECKS: Readonly<Record<string, (text: string) => unknown>> = { run: runId, parent: runId, grant: grantId };

/** A client that checks the ids in its arguments before it sends a request. */
export function withIds(client: Client): Client {
  return Object.fromEntries(
    Object.entries(client).map(([name, method]) => [
      name,
      (input: Record<string, unknown>, ...more: unknown[]) => {
        const { params, query, body } = input;
        for (const part of [input, params, query, (body as { target?: unknown } | undefined)?.target]) check(part);
        return (method as (...all: unknown[]) => unknown)(input, ...more);
      },
    ]),
  ) as unknown as Client;
}

function check(part: unknown): void {
  if (typeof part !== 'object' || part === null) return;
  for (const [name, value] of Object.entries(part)) if (typeof value === 'string') CHECKS[name]?.(value);
}
