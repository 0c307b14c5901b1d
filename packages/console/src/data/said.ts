/** The words of a run's models as the run is given them. A page that lost its host comes back after the last word that it has. */
import { useEffect, useState } from 'preact/hooks';
import type { RunEvent } from '@corral/protocol/api/run-events';
import { Refusal } from './api.ts';
import { readEvents } from './stream.ts';

/** An answer to one call. */
export interface Said {
  readonly call: number;
  readonly text: string;
}

const RETRY_MS = 400;
const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

/** @param run undefined: none */
export function useSaid(run: string | undefined): readonly Said[] {
  const [said, setSaid] = useState<{ readonly run: string | undefined; readonly answers: readonly Said[] }>({ run, answers: [] });
  useEffect(() => {
    if (run === undefined) return undefined;
    setSaid({ run, answers: [] });
    const gone = new AbortController();
    void follow(run, gone.signal, (event) => setSaid(({ answers }) => ({ run, answers: withEvent(answers, event) })));
    return () => gone.abort();
  }, [run]);
  return said.run === run ? said.answers : [];
}

function withEvent(answers: readonly Said[], event: RunEvent): readonly Said[] {
  if (event.kind !== 'chunk') return answers;
  const words = event.parts.map((part) => {
    const { type, delta } = part as { readonly type?: string; readonly delta?: string };
    return type === 'text-delta' ? (delta ?? '') : '';
  });
  const last = answers.at(-1);
  const text = words.join('');
  return last?.call === event.call
    ? [...answers.slice(0, -1), { call: last.call, text: last.text + text }]
    : [...answers, { call: event.call, text }];
}

/** Follows a run until it ends, or may not be followed. */
async function follow(run: string, gone: AbortSignal, tell: (event: RunEvent) => void): Promise<void> {
  let last: string | undefined;
  let isOver = false;
  while (!gone.aborted && !isOver) {
    try {
      await readEvents('runEvents', {
        params: { run },
        last,
        signal: gone,
        told(_, data, id) {
          last = id ?? last;
          const event = JSON.parse(data) as RunEvent;
          isOver ||= event.kind === 'ended';
          tell(event);
        },
      });
    } catch (error) {
      // A host that has just started refuses until it has taken up its runs; any other refusal will not pass.
      isOver = error instanceof Refusal && error.status >= 400 && error.status < 500;
    }
    if (!isOver) await pause(RETRY_MS);
  }
}
