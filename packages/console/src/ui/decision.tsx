/** Why a call was decided as it was: the rules, what was unusual, where its arguments came from, and the text that they stand in. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { moment, shortDigest } from '../format.ts';
import { Badge, Fact } from './parts.tsx';
import { Text } from './text.tsx';

type Decision = RouteAnswer<'whyRun'>['decisions'][number];
export type Origin = Decision['origins'][number];
export type Quote = NonNullable<Decision['quotes']>[number];

const VERDICTS = {
  allow: { tone: 'good', text: 'allowed' },
  deny: { tone: 'bad', text: 'refused' },
  ask: { tone: 'asks', text: 'asked a person' },
  inspect: { tone: 'busy', text: 'inspected' },
} as const;

export function DecisionCard({ of, input }: { readonly of: Decision; readonly input?: unknown }) {
  const { tone, text } = VERDICTS[of.verdict];
  return (
    <div class="decision">
      <p>
        <Badge tone={tone}>{text}</Badge> {of.action} to <Text of={of.tool} />, at {moment(of.at)}
        {of.code !== null && (
          <>
            : <code>{of.code}</code>
          </>
        )}
      </p>
      <dl class="facts">
        <Fact name={of.rules.length === 1 ? 'Rule' : 'Rules'}>
          {of.rules.length === 0 ? 'none: the grant decided' : of.rules.map((rule) => <code key={rule}>{rule} </code>)}
        </Fact>
        <Fact name="Policies">
          <code title={of.policy}>{shortDigest(of.policy)}</code>
        </Fact>
        {of.unusual.length > 0 && (
          <Fact name="Unusual">
            <Words of={of.unusual} />
          </Fact>
        )}
        {of.people.map(({ by, verdict, reason, at }) => (
          <Fact name={verdict === 'expired' ? 'Expired' : verdict === 'approve' ? 'Approved by' : 'Denied by'} key={`${by} ${at}`}>
            <Text of={by} />, {moment(at)}: <Text of={reason === '' ? 'no reason given' : reason} />
          </Fact>
        ))}
        {(of.inspected ?? []).map(({ inspector, said }) => (
          <Fact name={`Inspector ${inspector}`} key={inspector}>
            <Text of={said} />
          </Fact>
        ))}
      </dl>
      <Origins of={of.origins} />
      <Quotes of={of.quotes ?? []} input={input} />
    </div>
  );
}

export function Words({ of }: { readonly of: readonly string[] }) {
  return (
    <ul class="plain">
      {of.map((word) => (
        <li key={word}>
          <Text of={word} />
        </li>
      ))}
    </ul>
  );
}

export function Origins({ of }: { readonly of: readonly Origin[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h4>Where its arguments come from</h4>
      <ul class="plain">
        {of.map(({ path, origin, from }) => (
          <li key={`${path} ${origin}`}>
            <span class={`origin ${toneOf(origin)}`}>{origin}</span> <code>{path}</code>: <Text of={from} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** What policies call untrusted is the least trusted; what people wrote themselves is the most. */
const toneOf = (origin: string): string => (origin === 'untrusted' ? 'bad' : origin === 'instructed' || origin === 'trusted' ? 'good' : 'calm');

/** The text around each argument's value, with the value in it lit. */
export function Quotes({ of, input }: { readonly of: readonly Quote[]; readonly input: unknown }) {
  if (of.length === 0) return null;
  return (
    <>
      <h4>The text that they stand in</h4>
      <ul class="plain quotes">
        {of.map(({ path, source, call, trusted, text }, index) => (
          <li key={index}>
            <p class="dim">
              <code>{path}</code> stands in what {trusted ? '' : 'a stranger may have written: '}
              <Text of={source} />
              {call === null ? '' : `, call ${call}`} gave
            </p>
            <blockquote class={trusted ? '' : 'stranger'}>
              {text === null ? 'It is private to somebody else.' : <Text of={text} lit={valueAt(input, path)} />}
            </blockquote>
          </li>
        ))}
      </ul>
    </>
  );
}

/** The value at a path such as `to[0].name`, as the text that a quote would have. */
export function valueAt(input: unknown, path: string): string | undefined {
  let at = input;
  for (const [part] of path.matchAll(/[^.[\]]+/g)) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = Reflect.get(at, part) as unknown;
  }
  return typeof at === 'string' || typeof at === 'number' ? String(at) : undefined;
}
