/**
 * Calls that wait for a person: what exactly would be done, where each argument came from, and what is unusual about it. Nothing is decided by one
 * touch or one key: the first opens the question, the second answers it.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, me } from '../data/api.ts';
import { linkFor, linkUsed } from '../data/approval-link.ts';
import { href, query } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { callHref } from '../data/run-parts.ts';
import { shortDigest } from '../format.ts';
import { ALONE, holdsOf, HoldFor, isWhole, type Held } from '../ui/hold.tsx';
import { usePart } from '../data/part.ts';
import { Folded } from '../ui/folded.tsx';
import { Looking } from '../ui/looking.tsx';
import { Origin, originsOf, Quotes, unusualWords } from '../ui/decision.tsx';
import { Ago, Badge, Fact, Problem, Until, Words } from '../ui/parts.tsx';
import { Groups } from './approval-groups.tsx';
import { Proof } from '../ui/reason.tsx';
import { Codes, Names, Text, Value, WithheldNote } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';
import { What, whatText } from '../ui/what.tsx';
import { Approvers, idOf, mayDecide, useWaiting, useWaitingKeys, WaitingList, type CardProps } from '../ui/waiting.tsx';

type Approval = RouteAnswer<'listApprovals'>['items'][number];
type Verdict = 'approve' | 'deny';

export function CallsThatWait() {
  const list = useWaiting<'listApprovals', Verdict>('listApprovals', 'calls');
  const { items, current } = list;
  const { run: _, ...filter } = list.where;
  const isFiltered = Object.keys(filter).length > 0;
  /** It stays once it was there, so that the list does not move as it gets shorter. */
  const hadMany = useRef(false);
  hadMany.current ||= items.length > 1;
  const open = (verdict: Verdict) => {
    if (current === undefined || !mayDecide(current) || (verdict === 'approve' && current.withheld !== undefined)) return;
    // A person who writes a reason before the field has the focus does not come to the other verdict by that.
    if (list.openOf(current) === undefined) list.open(current, verdict);
  };
  useWaitingKeys('call', list.move, [
    { key: 'a', does: 'approve: asks once more', run: () => open('approve') },
    { key: 'd', does: 'deny: asks for the reason', run: () => open('deny') },
  ]);
  return (
    <>
      {(items.length > 1 || isFiltered || hadMany.current) && (
        <Folded name="Search">
          <Filter of={items} />
        </Folded>
      )}
      <WaitingList
        of={list}
        none={isFiltered ? 'No call that waits for a person matches.' : 'Nothing waits for a person.'}
        above={<Groups of={items} where={list.where} done={list.decided} />}
        card={(one: Approval) => (
          <Card key={idOf(one)} {...list.cardOf(one)} onDone={(text) => list.done(one, text, callHref(one.run, one.call))} />
        )}
      />
    </>
  );
}

function Filter({ of }: { readonly of: readonly Approval[] }) {
  const { soon, look } = usePart('q', ['agent', 'tool', 'at']);
  const { agent, tool, q } = Object.fromEntries(query.value);
  return (
    <div class="row which" role="search" aria-label="Filter">
      <label>
        Agent or tool{' '}
        <input
          type="search"
          list="waiting-names"
          value={q ?? agent ?? tool ?? ''}
          maxLength={100}
          spellcheck={false}
          placeholder="part of a name"
          onInput={(event) => soon(event.currentTarget.value)}
          onChange={(event) => look(event.currentTarget.value)}
        />
        <datalist id="waiting-names">
          {[...new Set(of.flatMap((one) => [one.agent, one.tool]))].map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      </label>
    </div>
  );
}

interface CallProps extends CardProps<Approval, Verdict> {
  readonly onDone: (said: string) => void;
}

function Card({ of, isCurrent, open, onOpen, onDone, again }: CallProps) {
  return (
    <li class={isCurrent ? 'card approval current' : 'card approval'} id={idOf(of)} aria-current={isCurrent ? 'true' : undefined}>
      <header>
        <h2>
          <ToolName of={of.tool} tenant={of.tenant} /> <What of={of} />
        </h2>
        <p>
          asked for by <Text of={of.agent} />
        </p>
        {of.control !== 'none' && (
          <Badge tone="warn">the run is {of.control}: the call is made, and its agent is told when it goes on</Badge>
        )}
        <p class="dim">
          asked <Ago at={of.since} /> · <Until at={of.expires_at} to="expires in" />
        </p>
      </header>
      {of.unusual.length > 0 && (
        <div class="unusual">
          <h3>Unusual</h3>
          <Words of={unusualWords(of.unusual)} />
        </div>
      )}
      <h3>Exactly this would be done</h3>
      {of.withheld === undefined ? <Arguments of={of.input} origins={of.origins} /> : <WithheldNote of={of.withheld} />}
      {of.lowers !== undefined && <Lowers of={of.lowers} />}
      <Quotes of={of.quotes} />
      {of.such.decided > 0 && (
        <p>
          <a href={`${href('approvals', 'decided')}?by=me&shape=${of.shape}`}>
            You approved {of.such.approved} of {of.such.decided} such
          </a>
        </p>
      )}
      <Decide of={of} open={open} onOpen={onOpen} onDone={onDone} />
      <Looking of={of} done={again} />
      <Behind of={of} />
    </li>
  );
}

/** An approval would lower a label: the host would trust data more, or let more people read them. */
function Lowers({ of }: { readonly of: NonNullable<Approval['lowers']> }) {
  const holder = of.of === 'run' ? 'the run and all that it has read' : 'this value';
  return (
    <p>
      {of.kind === 'endorse' ? (
        <>
          If you approve, {holder} counts as trusted from then on, although <Names of={of.influenced_by} /> may have influenced it.
        </>
      ) : (
        <>
          If you approve, others may read {holder} from then on, which so far is private to <Names of={of.private_to} />.
        </>
      )}{' '}
      <Text of={of.owner} /> alone decides this.
    </p>
  );
}

/** Each argument with where it came from, so that what a stranger may have written is seen before it is approved. */
function Arguments({ of, origins }: { readonly of: unknown; readonly origins: Approval['origins'] }) {
  if (typeof of !== 'object' || of === null || Array.isArray(of)) return <Value of={of} />;
  return (
    <dl class="arguments">
      {Object.entries(of).map(([name, value]) => {
        const from = originsOf(name, origins);
        const stranger = from.some(({ origin }) => origin === 'untrusted');
        return (
          <div key={name} class={stranger ? 'stranger' : ''}>
            <dt>
              <Text of={name} />
            </dt>
            <dd>
              <Value of={value} />
              {from.map(({ path, origin, from: words }) => (
                <small key={`${path} ${origin}`}>
                  <Origin of={origin} /> <Text of={words} />
                </small>
              ))}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Decide({ of, open: asks, onOpen: onAsk, onDone }: Omit<CallProps, 'isCurrent' | 'again'>) {
  const [reason, setReason] = useState('');
  const [held, setHeld] = useState<Held>(ALONE);
  const [token, setToken] = useState('');
  const { attempt, busy, error } = useAttempt();
  const field = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  // A field that may stay empty gets no focus: on a phone that would cover the page with a keyboard.
  useEffect(() => {
    if (asks === 'deny') field.current?.focus();
    else if (asks === 'approve') button.current?.focus();
  }, [asks]);
  if (!mayDecide(of)) return <p class="dim">{whyNot(of)}</p>;
  if (asks === undefined)
    return (
      <div class="row decide">
        <button type="button" class="good" disabled={of.withheld !== undefined} onClick={() => onAsk('approve')}>
          Approve…
        </button>
        <button type="button" class="danger" onClick={() => onAsk('deny')}>
          Deny…
        </button>
      </div>
    );
  const lacks = asks === 'deny' ? (reason.trim() === '' ? 'The reason is missing.' : '') : lackOf(of, held, token);
  const act = () => attempt(async () => onDone(await decided(of, asks, reason.trim(), held, token.trim())));
  return (
    <form
      class="decide"
      aria-label={asks === 'approve' ? 'Approve this call' : 'Deny this call'}
      onSubmit={(event) => {
        event.preventDefault();
        if (lacks === '') void act();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onAsk(undefined);
      }}
    >
      <label>
        {asks === 'deny' ? 'Reason: the agent is told' : 'Reason, if you want one in the record'}
        <input ref={field} value={reason} maxLength={500} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      {asks === 'approve' && <HoldFor of={of} held={held} set={setHeld} />}
      {asks === 'approve' && of.needs_proof && <Proof why="this is a large one" token={token} set={setToken} />}
      {error !== undefined && <Problem of={error} />}
      <div class="row">
        <button type="submit" ref={button} class={asks === 'deny' ? 'danger' : 'good'} disabled={lacks !== '' || busy}>
          {asks === 'deny' ? 'Deny it' : 'Approve it'}
        </button>
        <button type="button" onClick={() => onAsk(undefined)}>
          Back
        </button>
        {lacks !== '' && <span class="dim">{lacks}</span>}
      </div>
    </form>
  );
}

/** What is missing before an approval can be sent; empty: nothing. */
function lackOf(of: Approval, held: Held, token: string): string {
  if (!isWhole(held, of)) return 'A bound is missing: what the approval holds for.';
  return of.needs_proof && token.trim() === '' ? 'Your token is missing.' : '';
}

/** Decides by the link that brought this page, if it is for this call, else as who is signed in. @returns what was done */
async function decided(of: Approval, verdict: Verdict, reason: string, held: Held, token: string): Promise<string> {
  const holds = holdsOf(held);
  const proof = verdict === 'approve' && of.needs_proof ? { proof: token } : {};
  const said = reason === '' ? {} : { reason };
  const link = holds === undefined ? linkFor(of) : undefined;
  const { version } = of;
  let missing = 0;
  if (link === undefined) {
    const body =
      verdict === 'deny'
        ? { verdict, reason, version }
        : { verdict, version, ...said, ...proof, ...(holds === undefined ? {} : { holds }) };
    ({ missing } = await request('decideApproval', { params: { run: of.run, call: of.call }, body }));
  } else {
    ({ missing } = await request('followLink', { body: { link, verdict, reason: reason === '' ? 'by a link' : reason, ...proof } }));
    linkUsed();
  }
  const done = verdict === 'deny' ? 'Denied' : missing > 0 ? `Approved; ${missing} more must approve` : 'Approved';
  const waits = verdict === 'approve' && of.control !== 'none' ? `; the run is ${of.control}, so its agent is told when it goes on` : '';
  return `${done}: ${of.tool} (${of.withheld === undefined ? whatText(of) : 'withheld'}) for ${of.agent}${waits}`;
}

function whyNot({ principal, approved_by }: Approval): string {
  const self = me.value?.principal ?? '';
  if (principal === self) return 'You submitted this run, so another person decides.';
  if (approved_by.includes(self)) return 'You have approved it; another person must too.';
  return 'Your roles do not let you decide: that takes approver or admin.';
}

/** What stands behind the question. */
function Behind({ of }: { readonly of: Approval }) {
  return (
    <>
      <h3>Who asked for what</h3>
      <p>
        <Text of={of.order.by} /> asked:
      </p>
      {of.order.input === null ? (
        <p class="dim">
          It is private to <Names of={of.order.private_to} />.
        </p>
      ) : (
        <Value of={of.order.input} />
      )}
      <dl class="facts">
        <Fact name="Run">
          <a href={href('run', of.run)}>{of.run}</a>, <a href={callHref(of.run, of.call)}>call {of.call}</a>
        </Fact>
        <Fact name="Tenant">
          <Text of={of.tenant} />
        </Fact>
        <Fact name={of.rules.length === 1 ? 'Rule that asks' : 'Rules that ask'}>
          <Codes of={of.rules} none="none" />
          {of.rule_texts.map(({ rule, text }) => (
            <pre class="value" tabIndex={0} key={rule}>
              <Text of={text} />
            </pre>
          ))}
        </Fact>
        <Fact name="Policies">
          <code title={of.policy}>{shortDigest(of.policy)}</code>
        </Fact>
        {of.quorum > 1 && (
          <Fact name="People needed">
            {of.quorum}; approved by <Names of={of.approved_by} none="nobody yet" />
          </Fact>
        )}
        {of.approvers.length > 0 && (
          <Fact name="For">
            <Approvers of={of.approvers} owner={of.owner} />
          </Fact>
        )}
      </dl>
    </>
  );
}
