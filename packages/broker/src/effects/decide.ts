/**
 * Decides the effects of a crank: resolves, validates, decides. Synchronous and in memory (ARCHITECTURE.md, "Journal and commit"). The
 * ledger applies each effect before the next one is decided, so the second call of a crank finds the purse without the amounts of the
 * first.
 */
import { unionOf, type Names } from '@corral/policy/flow/labels';
import type { Decision } from '@corral/protocol/model/decision';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { CallEffect, Effect, EmitEffect, FinishEffect, Numbered, OpenEffect } from '@corral/protocol/wire/effect';
import { largestEffect, MACHINE } from '@corral/protocol/limits';
import { bounded } from '@corral/protocol/model/outcome';
import type { ErrorCode } from '@corral/protocol/errors';
import { filled, heldBytes, isSpelt, slotted, type Slotted } from '../ledger/handles.ts';
import { modelIn } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Ledger } from '../ledger/ledger.ts';
import { emptyBatch, ended, letGo, type Batch } from './batch.ts';
import { decideCall } from './call.ts';
import { afford, UNREAD_DEPTH, wasGiven, whole } from './common.ts';
import { askedUnder, callOff, callOffApproval } from '../dispatch/given-up.ts';
import { decideReply } from '../ledger/requests.ts';
import { decidePull } from '../ledger/streams.ts';
import { decideSend } from './send.ts';
import { decideSpawn } from './spawn.ts';
import { decideEmit, decideOutput, OutputWaits } from './output.ts';
import { Held, Refused, Violation } from './refused.ts';
import type { DecideContext } from './context.ts';

/** Decides a whole crank directly in a ledger, for benchmarks, evaluations and tests. A host decides in a draft (draft.ts). */
export function decide(ledger: Ledger, seq: number, effects: readonly Effect[], context: DecideContext): Batch {
  const deciding = new Deciding(ledger, seq, effects, context);
  while (deciding.go(Number.POSITIVE_INFINITY)) deciding.said({});
  return deciding.batch;
}

/** The decision of a crank, effect by effect. The ledger applies each effect before the next one is decided. */
export class Deciding {
  /** The consequences so far. */
  batch = emptyBatch();
  /** The effects decided so far. */
  readonly taken: { readonly effect: Effect; readonly decision: Decision | undefined }[] = [];
  /** The output, for which inspectors have to be asked before the crank is decided to its end. */
  waits: { readonly asks: readonly string[]; readonly value: Json } | undefined;
  readonly #ledger: Ledger;
  readonly #seq: number;
  readonly #effects: readonly Effect[];
  #context: DecideContext;
  #looking: Iterator<void> | undefined;

  /** @param seq number of the journal entry that the crank will be */
  constructor(ledger: Ledger, seq: number, effects: readonly Effect[], context: DecideContext) {
    this.#ledger = ledger;
    this.#seq = seq;
    this.#effects = effects;
    this.#context = context;
  }

  /** Takes the findings of inspectors about the output for which it waits. */
  said(inspected: Inspected): void {
    this.waits = undefined;
    this.#context = { ...this.#context, inspected };
  }

  /**
   * Decides the next effects, at most this many. A long call of a model takes several steps, each of which counts as one.
   * @returns whether there are more
   */
  go(most: number): boolean {
    if (this.waits !== undefined) return true;
    try {
      for (let left = most; left > 0; left -= 1) {
        const effect = this.#effects[this.taken.length];
        if (effect === undefined) return false;
        this.#looking ??= this.#look(effect);
        if (this.#looking?.next().done === false) continue;
        this.#looking = undefined;
        this.#decide(effect);
      }
      return this.taken.length < this.#effects.length;
    } catch (error) {
      if (error instanceof OutputWaits) {
        this.waits = error;
        return true;
      }
      if (!(error instanceof Violation)) throw error;
      letGo(this.#context, this.batch);
      this.batch = ended(error.outcome, this.batch);
      return false;
    }
  }

  /** Policies ask where the texts of a call come from. Those of a conversation are many, so they are looked up beforehand, some at a time. */
  #look(effect: Effect): Iterator<void> | undefined {
    const { flow, caps } = this.#ledger;
    if (effect.kind !== 'call' || flow === undefined || this.#context.policies === undefined) return undefined;
    const grant = caps.get(effect.cap);
    const target = grant === undefined ? undefined : this.#context.grants.get(grant)?.target;
    return target?.kind === 'tool' && modelIn(target.tool) !== undefined ? flow.look((effect.input ?? {}) as Json) : undefined;
  }

  #decide(effect: Effect): void {
    const ledger = this.#ledger;
    if (ledger.finished !== undefined || ledger.checkpointing !== undefined) {
      const last = ledger.finished === undefined ? 'checkpoint' : 'finish';
      throw new Violation('CORRAL_EFFECT_INVALID', `An effect of kind ${effect.kind} came after ${last}.`);
    }
    for (const { path } of 'handles' in effect ? (effect.handles ?? []) : [])
      if (!isSpelt(effect, path))
        throw new Violation(
          'CORRAL_EFFECT_INVALID',
          `The effect names a handle at ${JSON.stringify(path).slice(0, 200)}, where no handle may be.`,
        );
    const decision = decideOne(ledger, this.#seq, effect, this.#context, this.batch);
    if (decision !== undefined) this.batch.decisions.push(decision);
    // Decisions about outputs and events have no number of their own.
    const applied = effect.kind === 'finish' || effect.kind === 'emit' ? undefined : decision;
    ledger.applyEffect(effect, applied);
    this.taken.push({ effect, decision: applied });
  }
}

function decideOne(ledger: Ledger, seq: number, effect: Effect, context: DecideContext, batch: Batch): Decision | undefined {
  switch (effect.kind) {
    case 'call':
      return numbered(ledger, effect, context, () => decideCall(ledger, seq, effect, context, batch));
    case 'send':
      return numbered(ledger, effect, context, () => decideSend(ledger, seq, effect, context, batch));
    case 'reply':
      decideReply(ledger, seq, effect, batch);
      return undefined;
    case 'spawn':
      return numbered(ledger, effect, context, () => decideSpawn(ledger, effect, context, batch));
    case 'timer':
      return numbered(ledger, effect, context, () => {
        const due = context.now + Math.min(effect.ms, MACHINE.timer_ms.max);
        batch.timers.push({ id: effect.id, due });
        return { id: effect.id, verdict: 'allow', due };
      });
    case 'abort':
      switch (ledger.pending.get(effect.id)?.kind) {
        case 'timer':
          callOff(batch, effect.id);
          break;
        case 'approval':
          callOffApproval(batch, effect.id);
          break;
        case 'inspection':
          batch.withdrawn.push(effect.id);
          break;
        default:
          batch.aborts.push(effect.id);
      }
      return undefined;
    case 'pull':
      decidePull(ledger, effect.id, batch);
      return undefined;
    case 'dispose':
      decideDispose(ledger, effect.cap, batch);
      return undefined;
    case 'open':
      return numbered(ledger, effect, context, () => decideOpen(ledger, effect));
    case 'drop':
      ledger.handles.given(effect.handle);
      return undefined;
    case 'emit':
      return told(ledger, effect, context, batch);
    case 'log':
      batch.logs.push({ level: effect.level, text: effect.text });
      return undefined;
    case 'checkpoint':
      inPlace(ledger, effect, ['state', 'unread']);
      whole(ledger, effect.state, 'The state of a checkpoint');
      whole(ledger, effect.unread, 'The unread messages of a checkpoint', UNREAD_DEPTH);
      if (ledger.pending.size > 0 || batch.dispatches.length > 0)
        throw new Violation('CORRAL_EFFECT_INVALID', 'A checkpoint was made while something was under way.');
      return undefined;
    case 'finish':
      return decideFinish(ledger, effect, context, batch);
    case 'listen':
      return undefined;
    default:
      effect satisfies never;
      return undefined;
  }
}

/** @throws Refused for a value that is larger than the run may be given at once */
function decideOpen(ledger: Ledger, { id, handle, at }: OpenEffect): Decision {
  // Each opening gives the value to the run, and to its journal, once more; so each costs its bytes.
  const reserved = { bytes: ledger.handles.get(handle, at).bytes };
  const most = ledger.record.ceilings.message_bytes;
  if (reserved.bytes > most)
    throw new Refused(
      'CORRAL_RESULT_TOO_LARGE',
      `${reserved.bytes} bytes are behind the handle, and at most ${most} may be read at once: open a part of it, with handle.part(…).`,
      'message_bytes',
    );
  afford(ledger, reserved);
  return { id, verdict: 'allow', reserved };
}

function decideDispose(ledger: Ledger, cap: number, batch: Batch): void {
  const id = ledger.caps.get(cap);
  if (id !== undefined) batch.disposed.push(id);
  else if (!wasGiven(ledger, cap))
    throw new Violation('CORRAL_CAP_FORGED', `The run let go of capability ${cap}, which it was never given.`);
  for (const { kind, id: call } of askedUnder(ledger, cap)) {
    if (kind === 'approval') callOffApproval(batch, call);
    else batch.withdrawn.push(call);
  }
}

/**
 * @returns the decision about the output, if policies decide about it; it has the id 0
 * @throws Violation for an output that is too large, as it is or with the values of its handles
 */
function decideFinish(ledger: Ledger, effect: FinishEffect, context: DecideContext, batch: Batch): Decision | undefined {
  const slots = inPlace(ledger, effect, ['output']);
  let output = whole(ledger, effect.output, 'The output');
  if (slots.length > 0) {
    if (heldBytes(slots) > ledger.record.ceilings.message_bytes)
      throw new Violation('CORRAL_EFFECT_TOO_LARGE', `The output has ${heldBytes(slots)} bytes behind its handles.`);
    output = whole(ledger, filled(effect.output as Json, slots), 'The output');
  }
  const private_to = slots.reduce<Names>((all, { held }) => unionOf(all, held.label.private_to), []);
  return decideOutput(ledger, output, effect.error, private_to, context, batch);
}

function told(ledger: Ledger, effect: EmitEffect, context: DecideContext, batch: Batch): Decision | undefined {
  const data = whole(ledger, effect.data, 'The data of an emit');
  const part = batch.emitted;
  batch.emitted += 1;
  const decision = decideEmit(ledger, effect, part, context, batch);
  if (decision?.verdict !== 'deny') batch.emits.push({ event: effect.event, data, part });
  return decision;
}

/**
 * Refusals that reveal something about the value in a handle: its size, whether it has a part or fits a schema, or a condition that the
 * run itself may have chosen.
 */
const TELLING: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRAL_ARGS_INVALID',
  'CORRAL_EFFECT_TOO_LARGE',
  'CORRAL_GRANT_PREDICATE',
  'CORRAL_GRANT_SPENT',
  'CORRAL_RESULT_TOO_LARGE',
]);
const isTelling = ({ code, limit }: Refused) => TELLING.has(code) || (code === 'CORRAL_BUDGET_EXCEEDED' && limit === 'bytes');

function numbered(ledger: Ledger, effect: Numbered, context: DecideContext, decideIt: () => Decision): Decision {
  if (effect.id !== ledger.lastId + 1)
    throw new Violation('CORRAL_EFFECT_INVALID', `A ${effect.kind} is numbered ${effect.id}; the next number is ${ledger.lastId + 1}.`);
  return settled(ledger, effect, context, decideIt);
}

/** Decides a call for which inspectors were asked; the context has what they said. */
export function decideInspected(ledger: Ledger, seq: number, effect: CallEffect, context: DecideContext, batch: Batch): Decision {
  return settled(ledger, effect, context, () => decideCall(ledger, seq, effect, context, batch));
}

/** A decision, or the refusal in its place. */
function settled(ledger: Ledger, effect: Numbered, { grants }: DecideContext, decideIt: () => Decision): Decision {
  try {
    const decision = decideIt();
    // The size of a part is known to nobody. A run that has chosen how many bytes it may use learns it also if it has enough.
    const parts = 'handles' in effect && (effect.handles ?? []).some(({ at }) => at !== undefined);
    const isClose = ledger.purse.left('bytes') < largestEffect(ledger.record.ceilings);
    if (parts && (isClose || (decision.grant !== undefined && grants.limitsBytes(decision.grant)))) decision.peeked = true;
    return decision;
  } catch (error) {
    if (error instanceof Held) return { ...error.more, id: effect.id, verdict: 'inspect' };
    if (!(error instanceof Refused)) throw error;
    const looked = (effect.kind === 'open' && effect.at !== undefined) || ('handles' in effect && effect.handles !== undefined);
    return {
      ...error.more,
      ...(looked && isTelling(error) ? { peeked: true as const } : {}),
      id: effect.id,
      verdict: 'deny',
      code: error.code,
      message: bounded(error.message),
      ...(error.limit === undefined ? {} : { limit: error.limit }),
    };
  }
}

/** Resolves the handles of an effect that has no reply. Such an effect cannot be refused, so an invalid handle ends the run. */
function inPlace(ledger: Ledger, effect: Effect, members: readonly string[]): readonly Slotted[] {
  try {
    return slotted(ledger.handles, effect as Parameters<typeof slotted>[1], members);
  } catch (error) {
    if (error instanceof Refused) throw new Violation(error.code, error.message);
    throw error;
  }
}
