/** Settling a call whose result is unknown: a person who has looked elsewhere says what came of it. */
import { useState } from 'preact/hooks';
import type { Json } from '@corral/protocol/json';
import { ask as request, hasRole, Refusal } from '../data/api.ts';
import { moment } from '../format.ts';
import { Reason } from '../ui/reason.tsx';
import { Text } from '../ui/text.tsx';
import type { CallProps } from './run-props.ts';

type How = 'result' | 'fail' | 'retry';

const WAYS: Readonly<Record<How, { readonly verb: string; readonly text: string }>> = {
  result: { verb: 'It was done', text: 'The agent is given this result, as if the tool had answered with it.' },
  fail: { verb: 'It was not done', text: 'The agent is told that the call failed.' },
  retry: {
    verb: 'Try it again',
    text: 'The tool is called once more with the same arguments. If it was done the first time, it is done twice.',
  },
};

/** @throws Refusal */
function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Refusal(0, 'CORRAL_REQUEST_INVALID', 'The result is not JSON.', 'A text stands in quotation marks: "done". Nothing is null.');
  }
}

/** How people have settled a call whose result was unknown. */
const SETTLED = { retry: 'it was tried again', result: 'this is its result', fail: 'it was not done' } as const;

/** How it was settled, and the way to settle it now. */
export function Settling({ run, of, again }: CallProps) {
  return (
    <>
      {of.state === 'unknown' && run.ended_as === null && hasRole('operator', 'admin') && <Resolve run={run} of={of} again={again} />}
      {of.settled.map(({ by, how, reason, at }) => (
        <p key={`${by} ${at}`}>
          <Text of={by} /> settled it at {moment(at)}: {SETTLED[how]}
          {reason !== null && (
            <>
              , since <Text of={reason} />
            </>
          )}
        </p>
      ))}
    </>
  );
}

function Resolve({ run, of, again }: CallProps) {
  const [how, setHow] = useState<How>();
  const [value, setValue] = useState('null');
  const settle = async (chosen: How, reason: string) => {
    const body = chosen === 'result' ? { how: chosen, value: jsonOf(value), reason } : { how: chosen, reason };
    await request('resolveCall', { params: { run: run.run, call: of.call }, body });
  };
  return (
    <>
      <p>Nobody knows whether it was done, so its run waits until a person has found out.</p>
      <div class="row" role="group" aria-label={`Settle call ${of.call}`}>
        {(Object.keys(WAYS) as How[]).map((one) => (
          <button type="button" key={one} class={one === 'retry' ? 'danger' : ''} onClick={() => setHow(one)}>
            {WAYS[one].verb}…
          </button>
        ))}
      </div>
      {how !== undefined && (
        <Reason
          title={`Call ${of.call} to ${of.tool}: ${WAYS[how].verb.toLowerCase()}?`}
          verb={WAYS[how].verb}
          act={(reason) => settle(how, reason)}
          onClose={() => {
            setHow(undefined);
            again();
          }}
        >
          <p>{WAYS[how].text}</p>
          <p class="dim">
            <Text of={of.tool} />, call {of.call}
          </p>
          {how === 'result' && (
            <>
              <label for="result">Its result, as JSON</label>
              <textarea id="result" rows={4} spellcheck={false} value={value} onInput={(event) => setValue(event.currentTarget.value)} />
            </>
          )}
        </Reason>
      )}
    </>
  );
}
