/**
 * Derives from an entry how it changed the circumstances of its run (label, grants, purse, policies, version). A live crank and one that
 * is read back take the same path: `begin` is called before the ledger applies the entry, and the function that it returns afterwards.
 */
import { CLEAN } from '@corral/policy/flow/labels';
import { targetText } from '@corral/protocol/ids';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Decision } from '@corral/protocol/model/decision';
import type { ChildEndedDelivery, Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { HostEvent } from '@corral/protocol/model/run';
import type { Label, Names } from '@corral/protocol/model/label';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Ledger } from '../ledger/ledger.ts';

/** The parts of an entry that can change something. */
export interface Changing {
  readonly seq: number;
  readonly at: number;
  readonly effects: readonly Effect[];
  readonly decisions: readonly Decision[];
  readonly event?: HostEvent | undefined;
}

/** The version of the policies that last decided about a run. The ledger does not have it. */
const lastPolicy = new WeakMap<Ledger, string>();
const NOTHING: readonly never[] = [];

/** @returns a function to call once the ledger has applied the entry; it returns the changes */
export function begin(ledger: Ledger, delivery: Delivery | undefined): (entry: Changing) => readonly ContextChange[] {
  const { label } = ledger;
  const { version } = ledger;
  const cause = label === undefined && delivery?.kind !== 'start' ? '' : causeOf(ledger, delivery);
  const nextCap = ledger.nextCap;
  const held = delivery?.kind === 'child_ended' ? ledger.caps.get(-delivery.id) : undefined;
  const back = delivery?.kind === 'child_ended' ? returned(ledger, delivery) : undefined;

  return ({ seq, at, effects, decisions, event }) => {
    let changes: ContextChange[] | undefined;
    const add = (change: ContextChange) => (changes ??= []).push(change);
    const common = { entry: seq, at };
    const after = ledger.label;
    if (after !== undefined && after !== label) {
      const [gained, lost] = [difference(label ?? CLEAN, after), difference(after, label ?? CLEAN)];
      if (isSome(gained) || isSome(lost)) add({ kind: 'label', ...common, cause, gained, lost });
    }
    if (delivery?.kind === 'message') {
      for (const [i, { grant, kind, name }] of (delivery.caps ?? NOTHING).entries()) {
        const cap = nextCap + i;
        const target = kind === 'tool' ? targetText(name) : 'mailbox';
        if (ledger.caps.get(cap) === grant || wasDisposed(effects, cap))
          add({ kind: 'grant', ...common, cause: causeOf(ledger, delivery), how: 'gained', cap, grant, target });
      }
    } else if (delivery?.kind === 'child_ended' && held !== undefined) {
      add({
        kind: 'grant',
        ...common,
        cause: `child ${delivery.id} ended`,
        how: 'lost',
        cap: -delivery.id,
        grant: held,
        target: 'mailbox',
      });
      if (back !== undefined) add({ kind: 'purse', ...common, cause: `child ${delivery.id} ended`, amounts: back });
    }
    for (const { child, grant, reserved, id, policy } of decisions) {
      if (child !== undefined) {
        const because = `it started ${child} by spawn ${id}`;
        add({ kind: 'grant', ...common, cause: because, how: 'gained', cap: -id, grant: grant ?? null, target: 'mailbox' });
        const moved = Object.entries(reserved ?? {}).filter(([, amount]) => amount > 0);
        if (moved.length > 0)
          add({ kind: 'purse', ...common, cause: because, amounts: Object.fromEntries(moved.map(([name, amount]) => [name, -amount])) });
      }
      if (policy === undefined) continue;
      const before = lastPolicy.get(ledger);
      if (before === policy) continue;
      lastPolicy.set(ledger, policy);
      if (before !== undefined) add({ kind: 'policies', ...common, cause: 'they were switched', from: before, to: policy });
    }
    for (const effect of effects)
      if (effect.kind === 'dispose')
        add({ kind: 'grant', ...common, cause: 'it let go of it', how: 'lost', cap: effect.cap, grant: null, target: null });
    if (event?.kind === 'upgraded') add({ kind: 'version', ...common, cause: 'it was upgraded', from: version, to: ledger.version });
    return changes ?? NOTHING;
  };
}

const wasDisposed = (effects: readonly Effect[], cap: number) => effects.some((effect) => effect.kind === 'dispose' && effect.cap === cap);

/** The cause of a change, in words. */
function causeOf(ledger: Ledger, delivery: Delivery | undefined): string {
  switch (delivery?.kind) {
    case 'start':
      return ledger.record.parent === undefined ? 'it began' : `what ${ledger.record.parent.agent} knew that started it`;
    case 'reply': {
      const tools = delivery.results.flatMap(({ id }) => {
        const pending = ledger.pending.get(id);
        return pending?.kind === 'call' ? [pending.tool] : [];
      });
      return tools.length === 0 ? 'a reply' : `what ${[...new Set(tools)].join(', ')} returned`;
    }
    case 'chunk': {
      const pending = ledger.pending.get(delivery.id);
      return pending?.kind === 'call' ? `what ${pending.tool} began to answer` : 'a chunk';
    }
    case 'message':
      return `a message of ${delivery.from.agent} (${delivery.from.run})`;
    case 'child_ended':
      return `what child ${delivery.id} ended with`;
    case 'timer':
    case 'cancel':
    case 'notice':
    case undefined:
      return 'it went on';
  }
}

/** The amounts that come back from a child: what was reserved less what it spent. */
function returned(ledger: Ledger, { id, spent }: ChildEndedDelivery): Budget | undefined {
  const pending = ledger.pending.get(id);
  if (pending?.kind !== 'child') return undefined;
  const back = Object.entries(pending.reserved).flatMap(([name, amount]) => {
    // The child itself counts as one of the children.
    const used = (spent[name as keyof Budget] ?? 0) + (name === 'children' ? 1 : 0);
    return amount > used ? [[name, amount - used] as const] : [];
  });
  return back.length === 0 ? undefined : Object.fromEntries(back);
}

type Part = Extract<ContextChange, { kind: 'label' }>['gained'];
const MARKS = ['untrusted_input', 'private_data', 'outside_effect'] as const;
const without = (some: Names, others: Names): string[] => some.filter((name) => !others.includes(name));

function difference(before: Label, after: Label): Part {
  return {
    influenced_by: without(after.influenced_by, before.influenced_by),
    private_to: without(after.private_to, before.private_to),
    marks: MARKS.filter((mark) => after.sticky[mark] && !before.sticky[mark]),
  };
}

const isSome = ({ influenced_by, private_to, marks }: Part) => influenced_by.length + private_to.length + marks.length > 0;
