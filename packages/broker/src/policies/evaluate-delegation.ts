/**
 * Evaluates the policies for what one agent passes to another: a message, or a child run with its capabilities and budget. If the
 * policies look only at the two agents, no facts are gathered and a cached answer is used.
 */
import type { Action, Given } from '@corral/policy/cedar/catalog';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { rulesOf, type Verdict } from '@corral/policy/cedar/verdict';
import type { Flow } from '@corral/policy/flow/facts';
import { PROVENANCE } from '@corral/policy/flow/trace';
import { targetName } from '@corral/policy/capability/grants';
import type { Decision } from '@corral/protocol/model/decision';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Grant } from '@corral/protocol/model/grant';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import { type Batch } from '../effects/batch.ts';
import { consequencesOf, factsOfBudget, factsOfRun, originsOf, subjectFor, UNTRACKED } from './evaluate.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Slot } from '../effects/slots.ts';
import { Refused } from '../effects/refused.ts';
import { inspectFacts, look, recorded, whyDenied, type Looked } from './inspect.ts';
import type { Policies } from './port.ts';

type Outgoing = Extract<Action, { kind: 'send' | 'spawn' }>;

/** The message or spawn that is evaluated. */
export interface Handed {
  readonly kind: Outgoing['kind'];
  /** The receiving agent. */
  readonly agent: string;
  /** The body of the message, or the child's input. */
  readonly value: Json;
  readonly bytes: number;
  /** Names of the capabilities that are passed on. */
  readonly gives: readonly string[];
  /** For a spawn: the amounts moved from the purse. */
  readonly budget?: Budget;
  /** For a spawn: the program that the child is to run. */
  readonly program?: Pick<NonNullable<RunRecord['program']>, 'source' | 'digest'> | undefined;
}

/** The name under which the history stores messages and child runs, beside calls; no tool has such a name. */
export const deedName = ({ kind, agent }: Pick<Handed, 'kind' | 'agent'>): string => `${kind}:${agent}`;

const NO_DEED = { verbs: [], objects: [], other: [] } as const;

/** @returns the verdict, and the flow of information if it was gathered */
export function judgeHanded(
  policies: Pick<Policies, 'history' | 'roles' | 'owner' | 'shadow' | 'inspectors'> & {
    readonly current: Pick<PolicyInForce, 'decide' | 'decideBy' | 'inspects'>;
  },
  ledger: Ledger,
  handed: Handed,
  now: number,
  inspected?: Inspected,
): { readonly verdict: Verdict; readonly flow: Flow | undefined; readonly looked: Looked } {
  const { kind, agent, value, bytes, gives, budget, program } = handed;
  const { record } = ledger;
  const name = deedName(handed);
  const subject = subjectFor(ledger, policies);
  const action: Outgoing = { kind, agent };
  let flow: Flow | undefined;
  // A message or a child run is not held for an inspector: what its agent does next would overtake it.
  const looked = look(policies, subject, action, () => value, { whole: true, given: inspected });
  const gather = () => {
    const first_use = !policies.history.used(ledger.record.tenant, ledger.version, name);
    // It changes nothing outside the host; the receiver's own effects are evaluated when they happen.
    const tool = { name, effect: 'none', destinations: [], deed: NO_DEED } as const;
    const texts = program === undefined ? value : { input: value, program: piecesOf(program.source) };
    flow = ledger.flow?.flow(tool, texts, { first_use, amount_above_history: false }, () => true);
    const given: Given = {
      capabilities: gives,
      ...(kind === 'send' ? {} : { budget: factsOfBudget((amount) => budget?.[amount] ?? 0) }),
      ...(program === undefined ? {} : { program: factsOfProgram(program, flow) }),
    };
    const call = { bytes, first_use, last_minute: ledger.rates.lastMinute(name, now) };
    return {
      given,
      ...inspectFacts(looked),
      context: { ...factsOfRun(ledger, now), flow: flow?.facts ?? { ...UNTRACKED, effect: 'none' }, call },
    };
  };
  if (policies.shadow === undefined) return { verdict: policies.current.decideBy(subject, action, gather), flow, looked };
  const request = { subject, action, ...gather() };
  const verdict = policies.current.decide(request);
  policies.shadow({ run: record.id, entry: ledger.seq + 1, id: ledger.lastId + 1, request, verdict });
  return { verdict, flow, looked };
}

/**
 * Evaluates a message or child run that would be allowed otherwise.
 * @returns what the decision records; empty without policies
 * @throws Refused if they deny it
 */
export function permitted(
  policies: Policies | undefined,
  ledger: Ledger,
  handed: Omit<Handed, 'gives'> & { readonly slots: readonly Slot[] },
  now: number,
  batch: Batch,
): Partial<Decision> {
  if (policies === undefined) return {};
  const { kind, agent, slots } = handed;
  const gives = slots.map(({ from }) => targetName(from.target));
  const { verdict, flow, looked } = judgeHanded(policies, ledger, { ...handed, gives }, now);
  const common = {
    action: kind,
    agent,
    ...(gives.length === 0 ? {} : { gives }),
    policy: verdict.policy_version,
    ...rulesOf(verdict),
    ...recorded(looked),
    ...(flow === undefined ? {} : { unusual: [...flow.facts.unusual], origins: originsOf(flow) }),
  };
  if (verdict.decision === 'allow') {
    policies.history.met(ledger.record.tenant, ledger.version, deedName(handed));
    return common;
  }
  consequencesOf(verdict, batch);
  const what = kind === 'send' ? `A message to ${agent}` : handed.program === undefined ? `A run of ${agent}` : `A program of ${agent}`;
  const vain = verdict.consequence === 'approval' ? '; nobody is asked about messages and child runs' : '';
  const why = whyDenied(verdict, looked);
  throw new Refused('CORRAL_DENIED', `${what} was refused ${why}${vain}.`, undefined, common);
}

/** The lines of a program in pieces that are each looked for as a whole: of a longer text, only the ends would be (PROVENANCE). */
function piecesOf(source: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const line of source.split('\n')) {
    if (piece.length + line.length >= PROVENANCE.argument_chars && piece !== '') {
      pieces.push(piece);
      piece = '';
    }
    piece = piece === '' ? line : `${piece}\n${line}`;
  }
  return [...pieces, piece];
}

/** @param flow undefined: labels are not tracked, so nothing is known of where the program came from */
function factsOfProgram({ source, digest }: NonNullable<Handed['program']>, flow: Flow | undefined): NonNullable<Given['program']> {
  const bytes = Buffer.byteLength(source);
  if (flow === undefined) return { digest, bytes, untrusted: true, foreign_identifier: true };
  const traces = flow.traces.filter(({ path }) => path.startsWith('program'));
  return {
    digest,
    bytes,
    untrusted: traces.some(({ origin }) => origin === 'untrusted'),
    foreign_identifier: traces.some(({ foreign_identifier }) => foreign_identifier),
  };
}

/** The agent whose mailbox a grant reaches. */
export function receiverOf({ record }: Ledger, { target }: Grant): string {
  if (target.kind !== 'mailbox') return '';
  // Older grants do not name the agent. An unknown one gets a name that no policy can refer to.
  return target.agent ?? (target.run === record.id ? record.agent : '?');
}
