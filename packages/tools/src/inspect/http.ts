/**
 * An inspector elsewhere: a classifier, or a firewall for generative applications. It gets one POST with JSON and answers with JSON. Its
 * answer is taken for facts and never for text: kinds are kept only if they are single words.
 */
import * as z from 'zod';
import { MACHINE } from '@corral/protocol/limits';
import { KIND_CHARS, KINDS_KEPT, type Finding } from '@corral/protocol/model/inspection';
import type { Inspection, Inspector, InspectorAnswer, InspectorOptions } from '@corral/protocol/ports/inspector';
import { attemptAt } from '../models/fetch.ts';

export interface HttpInspectorOptions extends InspectorOptions {
  readonly url: string;
  readonly hears: readonly string[] | undefined;
  /** Bytes of the longest request. */
  readonly most_bytes: number;
  /** The key that goes along as `Authorization: Bearer …`; read at each request. */
  readonly key: (() => Promise<string>) | undefined;
  /** Stops that it may ask for. */
  readonly may: readonly ('pause' | 'quarantine')[];
}

const WORD = /^[\w.:/-]+$/;
const OTHER = 'other';

/** Members that are left out here are of no use to policies. */
const Answer = z.looseObject({
  found: z.boolean(),
  kinds: z.array(z.string()).max(1_000).exactOptional(),
  count: z.int().min(0).exactOptional(),
  score: z.number().min(0).max(1).exactOptional(),
  ask: z.looseObject({ what: z.enum(['pause', 'quarantine']), reason: z.string() }).exactOptional(),
});

export function httpInspector(options: HttpInspectorOptions): Inspector {
  const { name, on, always, timeout_ms, hears } = options;
  return {
    name,
    on,
    always,
    timeout_ms,
    ...(hears === undefined ? {} : { hears }),
    inspect: (asked, signal) => inspected(options, asked, signal),
  };
}

const missing = (why: string): InspectorAnswer => ({ kind: 'missing', why });

async function inspected(options: HttpInspectorOptions, asked: Inspection, signal: AbortSignal): Promise<InspectorAnswer> {
  const { name, url, key, most_bytes, may } = options;
  const body = JSON.stringify({ inspector: name, ...asked });
  if (Buffer.byteLength(body) > most_bytes) return missing('the value is too large for it');
  const answer_bytes = MACHINE.inspector_answer_bytes.default;
  const bounds = { answer_bytes, stream_bytes: answer_bytes, connect_ms: options.timeout_ms };
  const attempt = attemptAt(`the inspector ${name}`, { bounds });
  let response: Response;
  let said: unknown;
  try {
    const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${await key()}` };
    response = await attempt.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      body,
      signal,
    });
    said = response.ok ? await response.json() : undefined;
  } catch {
    if (!attempt.called) return missing('its key is missing');
    const { failure } = attempt;
    return missing(failure === undefined ? 'it answered with something that is not JSON' : (FAILURES[failure.kind] ?? 'it failed'));
  }
  if (!response.ok) return missing(`it answered with status ${response.status}`);
  const parsed = Answer.safeParse(said);
  if (!parsed.success) return missing('its answer is not one that an inspector gives');
  const { ask, ...finding } = parsed.data;
  if (ask === undefined || !may.includes(ask.what)) return { kind: 'said', finding: findingOf(finding) };
  return { kind: 'said', finding: findingOf(finding), wish: { what: ask.what, reason: ask.reason.slice(0, 400) } };
}

const FAILURES: Readonly<Record<string, string>> = {
  busy: 'it cannot be reached',
  lost: 'its answer was lost or is too large',
  refused: 'it cannot be asked at its address',
};

function findingOf({ found, kinds = [], count, score }: Pick<z.output<typeof Answer>, 'found' | 'kinds' | 'count' | 'score'>): Finding {
  const words = kinds.map((kind) => (kind.length <= KIND_CHARS && WORD.test(kind) ? kind : OTHER));
  return {
    found,
    kinds: [...new Set(words)].sort().slice(0, KINDS_KEPT),
    count: count ?? (found ? Math.max(1, kinds.length) : 0),
    score: score ?? (found ? 1 : 0),
  };
}
