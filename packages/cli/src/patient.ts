/**
 * Waits for a host that has just started. It refuses requests until it has taken up its runs, before it looks at anything else in them, so
 * that they can be sent again: `corral up & corral token create …` works.
 */
import { setTimeout } from 'node:timers/promises';
import type { Transport, WireResponse } from '@corral/protocol/api/client';
import { isProblem } from '@corral/protocol/api/problem';

/** A host with very many runs takes longer, and `GET /readyz` says when it is done. */
const MOST_MS = 60_000;
const AGAIN_MS = 200;

/**
 * @param say is told once that the command waits
 * @param most_ms after which the refusal is passed on
 */
export function patient(transport: Transport, say: (line: string) => void, most_ms = MOST_MS): Transport {
  let said = false;
  return async (request) => {
    const until = performance.now() + most_ms;
    for (;;) {
      const answer = await transport(request);
      if (answer.status !== 503) return answer;
      const text = await answer.text();
      const whole: WireResponse = { ...answer, text: () => Promise.resolve(text) };
      if (!isStarting(text) || performance.now() >= until) return whole;
      if (!said) say('This host has just started; the command waits until it takes work.');
      said = true;
      await setTimeout(AGAIN_MS, undefined, request.signal === undefined ? {} : { signal: request.signal });
    }
  };
}

function isStarting(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    return isProblem(body) && body.code === 'CORRAL_STARTING';
  } catch {
    return false;
  }
}
