/** Decisions of people about single calls: the approval or denial of one that waits, the settlement of one whose result is unknown. */
import type { Broker } from '@corral/broker/broker';
import { lowered } from '@corral/broker/policies/relabel';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { needsInput } from '@corral/broker/ledger/pending';
import type { Json } from '@corral/protocol/json';
import type { Decision } from '@corral/protocol/model/decision';
import type { StandingTerms } from '@corral/protocol/model/standing';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import { becameOf, decisionsIn, failureIn } from '../governance/approvals.ts';
import { mustBeAnother, mustOwn } from '../governance/owner.ts';
import { samePerson } from '../governance/people.ts';
import { standingOf } from '../governance/standing.ts';
import { mustBeAsShown } from '../governance/shown.ts';
import type { TenantPolicies } from '../governance/tenant-policies.ts';
import type { Run } from '../runs/run.ts';
import type { Settlements } from '../runs/settlements.ts';
import {
  answerTo,
  mustBeAllowedHere,
  mustBeApprovedHere,
  mustWait,
  paidOn,
  reservedAgain,
  resolvedBy,
  fitting,
  type Resolution,
  type Word,
} from './resolution.ts';
import { alive, type RunTurns } from './run-turns.ts';

export interface VerdictsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly broker: Broker;
  readonly settlements: Settlements;
  readonly tool: (tenant: string, name: string) => Tool | undefined;
  /** Whether this host is stopping, and starts nothing any more. */
  readonly stopping: () => boolean;
  /** Checks that a person may decide about a call. */
  readonly tenantPolicies: Pick<TenantPolicies, 'mayDecide' | 'people'>;
}

/** The conditions and the reach of a decision. */
export interface Shown {
  /** The version of the call that the person has seen; left out: whatever it is. */
  readonly shown?: string | undefined;
  /** The approval holds for later calls of the run, too. */
  readonly holds?: StandingTerms | undefined;
  /** The person has shown their credential once more. */
  readonly fresh?: true | undefined;
}

interface Decider {
  readonly by: string;
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  readonly roles: readonly string[];
}

/** As `Shown`, with the decision by which people were asked. */
interface DecidedWith extends Omit<Shown, 'holds'> {
  readonly holds?: { readonly terms: StandingTerms; readonly decision: Decision | undefined };
}

const HOUR_MS = 3_600_000;

export class Verdicts {
  readonly #options: VerdictsOptions;
  readonly #turns: RunTurns;
  /** Times of each person's recent approvals. */
  readonly #decisions = new Map<string, number[]>();

  constructor(options: VerdictsOptions, turns: RunTurns) {
    this.#options = options;
    this.#turns = turns;
  }

  /** Settles a call whose result is unknown. @throws the errors of `resolutionOf`; CORRAL_STOPPING, CORRAL_SPEND_EXCEEDED */
  resolve(id: RunId, call: number, by: string, resolution: Resolution, reason = ''): Promise<void> {
    return this.#turns.take(id, async (run) => {
      const { broker, tool } = this.#options;
      if (resolution.how === 'retry') this.#mustTakeWork();
      if (resolution.how === 'retry' && run.ledger.record.origin !== undefined)
        mustBeApprovedHere(run.ledger.record, call, await this.#options.store.journal(id));
      const asked = mustWait(run.ledger, call);
      const unpaid = asked.inherited?.price !== undefined;
      const fits = await fitting(resolution, tool(run.tenant, asked.tool), asked);
      await run.behind.enter(() => this.#settle(alive(id, run), call, { by, reason }, fits));
      await run.behind.enter(async () => {
        const pending = run.ledger.pending.get(call);
        if (resolution.how !== 'retry') this.#options.settlements.pass(run, call);
        else if (run.outcome === undefined && pending?.kind === 'call') broker.reissue(run.ledger, pending, false, unpaid);
      });
    });
  }

  /** Records how a person settled a call. */
  async #settle(run: Run, call: number, word: Word, resolution: Resolution): Promise<void> {
    const { broker, clock } = this.#options;
    const asked = mustWait(run.ledger, call);
    const event = resolvedBy(run.ledger, call, word, resolution);
    // Before the use of its grant is counted, so that a call that cannot be paid for does not use it up.
    const reserved = broker.accounts === undefined ? event : reservedAgain(run.ledger, event, broker.accounts, clock.now());
    if (event.how === 'retry' && asked.inherited !== undefined) mustBeAllowedHere(run.ledger, asked, broker.mayCallHere(run, asked));
    await broker.record(run, reserved);
  }

  /**
   * Records a person's decision about a call that waits for approval. The submitter of the run must not decide, nobody counts twice, and
   * nobody approves more calls in an hour than a person can examine. If rules name approvers, only they decide; where several people must,
   * a named person has to be one of them.
   * @param roles of the person, in addition to those that policies know
   * @throws CORRAL_RUN_STATE, CORRAL_APPROVER; CORRAL_CHANGED if it is not as it was shown; CORRAL_SPEND_EXCEEDED if the accounts above the run cannot pay now: then the call waits on
   */
  decide(
    id: RunId,
    call: number,
    by: string,
    verdict: 'approve' | 'deny',
    reason: string,
    roles: readonly string[] = [],
    { shown, holds, fresh }: Shown = {},
  ): Promise<void> {
    return this.#turns.take(id, async (run) => {
      const word = { by, verdict, reason, roles };
      if (holds === undefined) return this.#decide(run, call, word, { shown, fresh });
      // Read first: the run goes on meanwhile, and what was shown is compared with what is recorded.
      const decision = await this.#decisionAbout(id, call);
      return run.behind.enter(() => this.#decide(alive(id, run), call, word, { shown, fresh, holds: { terms: holds, decision } }));
    });
  }

  /** Awaits nothing before it records the decision, so that all checks are of the state that it is recorded in. */
  async #decide(run: Run, call: number, { by, verdict, reason, roles }: Decider, { shown, holds, fresh }: DecidedWith): Promise<void> {
    const { id, ledger } = run;
    const { broker, clock, settlements, tool, tenantPolicies } = this.#options;
    const { people } = tenantPolicies;
    const pending = ledger.pending.get(call);
    if (pending?.kind !== 'approval') throw await this.#notAsked(run, call);
    const { question, relabel } = pending.call;
    if (relabel !== undefined) mustOwn(people, run, relabel, by);
    if (question === true && verdict === 'approve')
      throw new CorralError('CORRAL_RUN_STATE', `Call ${call} of ${id} is a question: \`corral answer ${id} ${call} VALUE\` answers it.`);
    // To decline a question allows nothing, so the submitter may.
    if (question !== true) mustBeAnother(people, run, by, 'decide about what it may do');
    const before = samePerson(people, by, pending.by);
    if (before !== undefined)
      throw new CorralError(
        'CORRAL_APPROVER',
        before === by
          ? `${by} has approved call ${call} of ${id} already.`
          : `${by} counts as the same person as ${before}, who has approved call ${call} of ${id} already.`,
      );
    tenantPolicies.mayDecide(ledger.record, pending, by, roles);
    mustBeAsShown(ledger, pending, shown);
    // A tool that needs input is told that there is none.
    const goesOn = verdict === 'deny' && needsInput(pending);
    if (verdict === 'approve' || goesOn) this.#mayLeave(run, call);
    const about = { tool: tool(run.tenant, pending.call.tool), now: clock.now() };
    const standing = holds === undefined ? {} : { holds: standingOf(ledger, pending, { ...holds, ...about }) };
    const last = verdict === 'approve' && pending.by.length + 1 >= pending.quorum;
    const paid = last && broker.accounts !== undefined ? paidOn(ledger, pending, broker.accounts, clock.now()) : {};
    const forget = verdict === 'approve' ? this.#tire(people.identity(by)?.person ?? by) : () => undefined;
    const why = last ? broker.mayStillCall(run, pending) : undefined;
    try {
      if (why === undefined)
        await settlements.settle(run, call, by, verdict, reason, {
          ...paid,
          ...standing,
          ...(goesOn ? { goes_on: true } : {}),
          ...(fresh === undefined ? {} : { fresh }),
          ...(last ? lowered(ledger, relabel, by, reason) : {}),
        });
      // Not by the person, who approved it: the record must not say otherwise.
      else await settlements.settle(run, call, 'host', 'deny', `${by} approved it, and by then ${why}`);
    } catch (error) {
      // It was not recorded, so the same approval may be tried again.
      forget();
      throw error;
    }
    if (why !== undefined) throw new CorralError('CORRAL_RUN_STATE', `Call ${call} of ${id} was approved too late: ${why}.`);
    if (last) await run.behind.enter(async () => this.#sendApproved(run, call));
  }

  #sendApproved(run: Run, call: number): void {
    const going = run.ledger.pending.get(call);
    if (run.outcome === undefined && going?.kind === 'call') this.#options.broker.reissue(run.ledger, going, true);
  }

  /**
   * Records a person's answer to a question, which becomes the result of the call, or with which a tool that needs it goes on. The owner of the
   * agent answers, and also about a run that the owner has submitted: an answer allows nothing, and what the submitter says is trusted as the input is.
   * @param roles of the person, in addition to those that policies know
   * @throws CORRAL_RUN_STATE, CORRAL_APPROVER, CORRAL_CHANGED; CORRAL_ANSWER_INVALID for an answer that the question does not take: then it waits on
   */
  answer(
    id: RunId,
    call: number,
    by: string,
    value: Json,
    reason = '',
    roles: readonly string[] = [],
    { shown }: Shown = {},
  ): Promise<void> {
    const { tenantPolicies, broker, settlements, tool } = this.#options;
    return this.#turns.take(id, async (run) => {
      const pending = run.ledger.pending.get(call);
      if (pending?.kind !== 'approval') throw await this.#notAsked(run, call);
      if (pending.call.question !== true)
        throw new CorralError(
          'CORRAL_RUN_STATE',
          `Call ${call} of ${id} is not a question: it waits for approval of ${pending.call.tool}.`,
        );
      tenantPolicies.mayDecide(run.ledger.record, pending, by, roles);
      mustBeAsShown(run.ledger, pending, shown);
      this.#mustTakeWork();
      if (needsInput(pending)) this.#mayLeave(run, call);
      const answer = answerTo(run.ledger, pending, tool(run.tenant, pending.call.tool), value);
      const why = broker.mayStillCall(run, pending);
      if (why === undefined) return settlements.settle(run, call, by, 'approve', reason, { answer: { value: answer } });
      await settlements.settle(run, call, 'host', 'deny', `${by} answered it, and by then ${why}`);
      throw new CorralError('CORRAL_RUN_STATE', `Call ${call} of ${id} was answered too late: ${why}.`);
    });
  }

  /** The decision by which people were asked about a call, from the journal; nothing is in flight at a checkpoint, so it is none from before. */
  async #decisionAbout(id: RunId, call: number): Promise<Decision | undefined> {
    const { store, broker } = this.#options;
    await broker.settled(id);
    const { checkpoint = 0 } = (await store.run(id)) ?? {};
    const decisions = decisionsIn(await store.journal(id, Math.max(0, checkpoint - 1)));
    return decisions.find((one) => one.id === call && one.verdict === 'ask');
  }

  /** Takes back that an approval holds for later calls. @throws CORRAL_RUN_STATE if it holds for none */
  withdraw(id: RunId, call: number, by: string, reason: string): Promise<void> {
    return this.#turns.take(id, async (run) => {
      if (!run.ledger.approvals.some((one) => one.call === call))
        throw new CorralError('CORRAL_RUN_STATE', `The approval of call ${call} of ${id} holds for no later call.`);
      await this.#options.broker.record(run, { kind: 'withdrawn', id: call, by, reason });
    });
  }

  /** The error for a call that does not wait for people; it says what became of the call, by the ledger or the journal. */
  async #notAsked({ id, ledger }: Run, call: number): Promise<CorralError> {
    const pending = ledger.pending.get(call);
    const reply = pending?.kind === 'decided' && pending.delivery.kind === 'reply' ? pending.delivery.results[0] : undefined;
    let why = reply !== undefined && 'error' in reply ? failureIn(reply.error) : undefined;
    if (why === undefined) {
      await this.#options.broker.settled(id);
      why = becameOf(await this.#options.store.journal(id), call);
    }
    const text = `Call ${call} of ${id} does not wait for approval`;
    return new CorralError('CORRAL_RUN_STATE', why === undefined ? `${text}.` : `${text}: ${why.replace(/\.$/, '')}.`);
  }

  /**
   * Refuses to send a call from a host that stops, or of a run from a backup: nobody has looked at whether the call was made after the backup.
   * @throws CORRAL_STOPPING, CORRAL_RUN_STATE
   */
  #mayLeave({ id, ledger }: Run, call: number): void {
    this.#mustTakeWork();
    if (ledger.held !== 'restored') return;
    const what = needsInput(ledger.pending.get(call)) ? 'answer it' : 'approve it, or deny it';
    throw new CorralError(
      'CORRAL_RUN_STATE',
      `${id} comes from a backup, after which call ${call} may have been made: look at the other side, then let the run go on with \`corral release ${id} -m WHY\` and ${what}.`,
    );
  }

  /** Refuses work that would be cut off at once. @throws CORRAL_STOPPING */
  #mustTakeWork(): void {
    if (this.#options.stopping()) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
  }

  /**
   * Limits the approvals of a person, because somebody who approves very many does not examine them.
   * @returns takes the count back, for an approval that is not recorded
   * @throws CORRAL_APPROVER
   */
  #tire(by: string): () => void {
    const now = this.#options.clock.now();
    const lately = (this.#decisions.get(by) ?? []).filter((at) => now - at < HOUR_MS);
    const most = MACHINE.approvals_per_hour.default;
    if (lately.length >= most)
      throw new CorralError(
        'CORRAL_APPROVER',
        `${by} has approved ${most} times within an hour; let somebody else look. Denials are not counted: \`corral deny --agent NAME -m WHY\` refuses many at once.`,
      );
    this.#decisions.set(by, [...lately, now]);
    return () => {
      const all = this.#decisions.get(by) ?? [];
      this.#decisions.set(by, all.toSpliced(all.lastIndexOf(now), 1));
    };
  }
}
