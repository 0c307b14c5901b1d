/**
 * Computes which runs have read untrusted text, independently of the product: from their deliveries, the handles they opened,
 * and the knowledge of the runs that wrote to them. Only a value that was read raises the label; a handle does not until it is opened.
 */
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery, Result } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { RunId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/model/label';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Known, KnownCall } from './known.ts';

/** The taint of a message or reply: that of its sender, and that of the values behind its handles. */
interface Carried {
  readonly tainted: boolean;
  readonly handles: readonly boolean[];
}

export const isTainted = (label: Label | undefined): boolean => label?.sticky.untrusted_input === true;

/** The part of the book that this reads. */
interface World {
  readonly governed: boolean;
  readonly runs: ReadonlyMap<RunId, Known>;
  must(holds: boolean, what: () => string): void;
}

export class Taint {
  readonly #book: World;
  /** Messages by name, and replies by the name of their request. */
  readonly #carried = new Map<string, Carried>();
  /** The taint of the state that an instance of the service has kept, by tenant and key. */
  readonly #kept = new Map<string, boolean>();

  constructor(book: World) {
    this.#book = book;
  }

  /** An instance begins with the label of the state before it, joined with that of the message that creates it. */
  created({ id, tenant, service, label }: RunRecord, message: string): void {
    const known = this.#book.runs.get(id);
    const kept = this.#kept.get(`${tenant} ${service?.key}`) ?? false;
    const tainted = kept || (this.#carried.get(message)?.tainted ?? false);
    this.#expect(tainted, isTainted(label) || isTainted(service?.label), () => `${id} begins as an instance`);
    if (known !== undefined) known.knows.tainted = tainted;
  }

  /** Checks the label of a delivery and updates the run's knowledge. */
  given(known: Known, delivery: Delivery, where: string): void {
    const { knows } = known;
    switch (delivery.kind) {
      case 'reply':
        for (const result of delivery.results) this.#answered(known, result, delivery.label, where);
        return;
      case 'chunk':
        knows.tainted ||= known.calls.get(delivery.id)?.decision.tool === 'fetch';
        return;
      case 'message': {
        const sent = this.#carried.get(nameOf(delivery.body));
        if (sent === undefined) return;
        this.#expect(sent.tainted, isTainted(delivery.label), () => `${where}: the message that it is given`);
        knows.handles.push(...sent.handles);
        knows.tainted ||= sent.tainted;
        return;
      }
      case 'child_ended': {
        const child = delivery.run === undefined ? undefined : this.#book.runs.get(delivery.run);
        if (child === undefined) return;
        const knew = child.knows.begun && child.knows.tainted;
        this.#expect(knew, isTainted(delivery.label), () => `${where}: the end of child ${delivery.id}`);
        knows.tainted ||= knew;
        return;
      }
      case 'start':
        knows.begun = true;
        return;
      case 'timer':
      case 'cancel':
      case 'notice':
        return;
    }
  }

  #answered(known: Known, result: Result, label: Label | undefined, where: string): void {
    const { knows, record } = known;
    const opened = knows.opening.get(result.id);
    if (opened !== undefined) {
      knows.opening.delete(result.id);
      knows.tainted ||= opened && 'value' in result;
      return;
    }
    const asked = known.asks.get(result.id);
    if (asked !== undefined) {
      const reply = this.#carried.get(`${record.id}:${result.id}`);
      // An error without a reply is the host's own, or describes how the receiver ended; its label is then the receiver's.
      const knew = 'value' in result ? reply?.tainted === true : isTainted(label);
      if ('value' in result)
        this.#expect(knew, isTainted(label), () => `${where}: the reply to request ${result.id} of ${record.id} by ${asked.peer}`);
      knows.tainted ||= knew;
      return;
    }
    const call = known.calls.get(result.id);
    if (call === undefined) return;
    const strange = call.decision.tool === 'fetch';
    if ('value' in result && result.handle !== undefined) knows.handles.push(strange || knows.tainted);
    else if ('value' in result) knows.tainted ||= strange;
    // A tool's error message may contain untrusted text too.
    else if (result.unread !== true && call.decision.verdict !== 'deny')
      knows.tainted ||=
        strange && (result.error.code === 'CORRAL_TOOL_FAILED' || (result.error.code === 'CORRAL_UNKNOWN_RESULT' && isTools(call)));
  }

  /** Records an effect with its decision. */
  asked({ knows, record }: Known, effect: Effect, decision: Decision | undefined): void {
    const allowed = decision !== undefined && decision.verdict !== 'deny';
    const { tainted, handles } = knows;
    const behind = (slots: readonly { readonly handle: number }[] = []) => slots.map(({ handle }) => handles[handle - 1] === true);
    if (effect.kind === 'open' && allowed) knows.opening.set(effect.id, handles[effect.handle - 1] === true);
    else if (effect.kind === 'send' && allowed)
      this.#carried.set(`${record.id}#${effect.id}`, { tainted, handles: behind(effect.handles) });
    else if (effect.kind === 'call' && allowed) this.#carried.set(`${record.id}#${effect.id}`, { tainted, handles: [] });
    else if (effect.kind === 'reply') this.#carried.set(effect.to, { tainted, handles: [] });
    else if (effect.kind === 'checkpoint' && record.service !== undefined)
      this.#kept.set(`${record.tenant} ${record.service.key}`, tainted);
    if (decision?.peeked !== true) return;
    // The decision tells the run something about what is behind the handles, such as its length.
    const seen = effect.kind === 'open' ? [effect] : 'handles' in effect ? effect.handles : [];
    knows.tainted ||= behind(seen).some(Boolean);
  }

  /** Checks the label of a new child: it is that of its parent at the spawn. */
  spawned(parent: Known, child: RunId, where: string): void {
    const known = this.#book.runs.get(child);
    if (known === undefined) return;
    this.#expect(parent.knows.tainted, isTainted(known.record.label), () => `${where}: child ${child}`);
    known.knows.tainted = parent.knows.tainted;
  }

  /** A killed instance loses its state. */
  ended({ record, outcome }: Known): void {
    if (record.service !== undefined && outcome?.kind === 'killed') this.#kept.delete(`${record.tenant} ${record.service.key}`);
  }

  #expect(tainted: boolean, labelled: boolean, what: () => string): void {
    if (!this.#book.governed) return;
    this.#book.must(tainted === labelled, () => `5: ${what()} is labelled as ${said(labelled)}; it is ${said(tainted)}`);
  }
}

const said = (tainted: boolean) => (tainted ? 'influenced by a stranger' : 'clean');

/** The name of a message between agents, or of the one within the input of a service. */
function nameOf(body: unknown): string {
  const { message } = body as { message?: { from: string; id: number } };
  const { from, id } = message ?? (body as { from: string; id: number });
  return `${from}#${id}`;
}

/** The message about a lost result is the tool's own, unless a person has settled the call. */
const isTools = ({ toldUnknown, settled }: KnownCall): boolean => toldUnknown || !settled;
