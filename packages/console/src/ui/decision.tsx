/** Why a call was decided as it was: the rules, what was unusual, where its arguments came from, and the text that they are in. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { PERMITTED } from '../data/permitted.ts';
import { moment, shortDigest } from '../format.ts';
import { Badge, Fact, Shown, Words } from './parts.tsx';
import { Code, Lit, Rules, Text } from './text.tsx';

type Decision = RouteAnswer<'whyRun'>['decisions'][number];
type Statement = RouteAnswer<'showPolicies'>['rules'][number];
type Quote = NonNullable<Decision['quotes']>[number];

const VERDICTS = {
  allow: { tone: 'good', text: 'allowed' },
  deny: { tone: 'bad', text: 'refused' },
  ask: { tone: 'asks', text: 'asked a person' },
  inspect: { tone: 'busy', text: 'inspected' },
} as const;

export function DecisionCard({ of }: { readonly of: Decision }) {
  const { tone, text } = VERDICTS[of.verdict];
  return (
    <div class="decision">
      <p>
        <Badge tone={tone}>{text}</Badge> {of.action} to <Text of={of.tool} />, at {moment(of.at)}
        {of.code !== null && (
          <>
            : <Code of={of.code} />
          </>
        )}
      </p>
      <dl class="facts">
        <Fact name={of.rules.length === 1 ? 'Rule' : 'Rules'}>
          <Rules of={of} none={of.rules.length === 0 ? 'none: the grant decided' : 'none decided'} />
          <RuleTexts of={of} />
        </Fact>
        <Fact name="Policies">
          <code title={of.policy}>{shortDigest(of.policy)}</code>
        </Fact>
        {of.unusual.length > 0 && (
          <Fact name="Unusual">
            <Words of={unusualWords(of.unusual)} />
          </Fact>
        )}
        {of.under !== undefined && (
          <Fact name="Allowed under">
            the approval of call {of.under.call}, which <Text of={of.under.by} /> gave
          </Fact>
        )}
        {of.people.map(({ by, verdict, reason, at, fresh, holds }) => (
          <Fact name={verdict === 'expired' ? 'Expired' : verdict === 'approve' ? 'Approved by' : 'Denied by'} key={`${by} ${at}`}>
            <Text of={by} />, {moment(at)}: <Text of={reason === '' ? 'no reason given' : reason} />
            {fresh === true && '; they showed their token once more'}
            {holds !== undefined && `; it holds for ${holds.uses} later calls of the same ${holds.for}`}
          </Fact>
        ))}
        {(of.inspected ?? []).map(({ inspector, said }) => (
          <Fact name="Inspector" key={inspector}>
            <Text of={inspector} />: <Text of={said} />
          </Fact>
        ))}
      </dl>
      <Origins of={of.origins} />
      <Quotes of={of.quotes ?? []} />
    </div>
  );
}

/** The text of each rule, with its limits, read when somebody asks for it. */
function RuleTexts({ of: { rules, also = [], policy, verdict } }: { readonly of: Decision }) {
  const [isOpen, setOpen] = useState(false);
  if (rules.length === 0 || policy === '' || !hasRole(...PERMITTED['policy.read'])) return null;
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What {rules.length === 1 ? 'it says' : 'they say'}</summary>
      {isOpen && <Statements rules={rules} also={also} policy={policy} verdict={verdict} />}
    </details>
  );
}

/**
 * Whether a rule is one of those by which a call was refused, or a person was asked: others that match as well did not decide. Decisions of before say
 * nothing of that, and the texts of their rules do. @returns undefined where neither does
 */
function hasDecided(rule: string, statement: Statement | undefined, verdict: string, also: readonly string[]): boolean | undefined {
  if (also.includes(rule)) return false;
  if (statement === undefined || (verdict !== 'deny' && verdict !== 'ask')) return undefined;
  return statement.effect === 'forbid' && (statement.consequence === 'approval') === (verdict === 'ask');
}

function Statements({ rules, also, policy, verdict }: Pick<Decision, 'rules' | 'policy' | 'verdict'> & { readonly also: string[] }) {
  const texts = useLoad((signal) => request('showPolicies', { params: { version: policy }, query: {} }, signal), { of: [policy] });
  return (
    <Shown of={texts}>
      {({ rules: statements }) => (
        <>
          {rules.map((rule) => {
            const statement = statements.find((one) => one.rule === rule);
            return (
              <div key={rule}>
                {rules.length > 1 && <Part of={hasDecided(rule, statement, verdict, also)} />}
                <pre class="value" tabIndex={0}>
                  <Text
                    of={
                      statement?.text ?? `The text of ${rule} is not kept here: it is part of Corral, or its policies were changed since.`
                    }
                  />
                </pre>
              </div>
            );
          })}
        </>
      )}
    </Shown>
  );
}

/** What a rule did, above its text. @param of whether it decided; undefined: that is not known */
function Part({ of }: { readonly of: boolean | undefined }) {
  if (of === undefined) return null;
  return of ? <Badge tone="bad">decided</Badge> : <Badge tone="calm">also matched</Badge>;
}

/** Unusual facts as policies name them, in words. */
const UNUSUAL: Readonly<Record<string, string>> = {
  amount_above_history: 'more than it has moved so far',
  argument_from_untrusted_text: 'an argument comes from text that a stranger may have written',
  destination_from_untrusted_text: 'where it goes comes from text that a stranger may have written',
  destination_of_no_known_origin: 'where it goes stands in nothing that it has read',
  first_time_destination: 'the first time that anything goes there',
  first_use_of_tool: 'the first time that this version uses this tool',
  link_or_address_from_untrusted_text: 'a link or an address comes from text that a stranger may have written',
  not_asked_for: 'nobody asked it for something of this kind',
  private_data_in_arguments: 'private data is among the arguments',
  unlike_its_profile: 'unlike what this agent usually does',
  steered_by_handle: 'what it does is decided by text that nobody has read',
};
export const unusualWords = (of: readonly string[]): string[] => of.map((one) => UNUSUAL[one] ?? one);

function Origins({ of }: { readonly of: Decision['origins'] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3 class="small">Where its arguments come from</h3>
      <ul class="plain">
        {of.map(({ path, origin, from }) => (
          <li key={`${path} ${origin}`}>
            <Origin of={origin} /> <Code of={path} />: <Text of={from} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** From what the principal wrote to what a stranger may have written. */
const TONES: Readonly<Record<string, string>> = { user: 'good', trusted: 'good', quoted: 'warn', model: 'warn', untrusted: 'bad' };
/** Where an argument and its parts came from. @param name of the argument */
export const originsOf = (name: string, origins: Decision['origins']): Decision['origins'] =>
  origins.filter(({ path }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));

export function Origin({ of }: { readonly of: string }) {
  return (
    <span class={`origin ${TONES[of] ?? 'calm'}`}>
      <Text of={of} />
    </span>
  );
}

/** The texts that the arguments stand in, each once, with all the values in it lit, and with the sender and subject where it is part of a mail. */
export function Quotes({ of }: { readonly of: readonly Quote[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3 class="small">The text that they are in</h3>
      <ul class="plain quotes">
        {[...Map.groupBy(of, ({ call, source, text }) => JSON.stringify([call, source, text])).entries()].map(([key, same]) => (
          <li key={key}>
            <Quoted of={same} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Quoted({ of }: { readonly of: readonly Quote[] }) {
  const [first] = of;
  if (first === undefined) return null;
  const { source, call, trusted, text, beside } = first;
  const [proven, short] = [of.filter((one) => one.proven), of.filter((one) => !one.proven)];
  const lits = of.map(({ value }) => value).toSorted((a, b) => b.length - a.length);
  return (
    <>
      <p class="dim">
        <Paths of={proven.length > 0 ? proven : short} /> in what {trusted ? '' : 'a stranger may have written: '}
        <Text of={source} />
        {call === null ? '' : `, call ${call}`}
        {proven.length > 0 && short.length > 0 && (
          <>
            ; <Paths of={short} /> in it too
          </>
        )}
        {short.length > 0 && ', but too short to be traced'}
      </p>
      {beside.length > 0 && (
        <dl class="beside">
          {beside.map(({ name, text: value }, index) => (
            <div key={index}>
              <dt>
                <Text of={name} />
              </dt>
              <dd>
                <Text of={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      <blockquote class={trusted ? '' : 'stranger'}>
        {text === null ? 'It is private to somebody else.' : <Lit of={text} lits={lits} />}
      </blockquote>
    </>
  );
}

/** `to and memo are`. */
function Paths({ of }: { readonly of: readonly Quote[] }) {
  return (
    <>
      {of.map(({ path }, index) => (
        <span key={path}>
          {index > 0 && ' and '}
          <Code of={path} />
        </span>
      ))}{' '}
      {of.length === 1 ? 'is' : 'are'}
    </>
  );
}
