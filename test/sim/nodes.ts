/** Follows which nodes of a simulated world are alive and which one holds each run, from the writes that take effect. */
import type { RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Commit, CommitResult, HeldElsewhere, StoredRun, Taken } from '@corral/protocol/ports/store';
import { mayStartEarly, type Tool, type ToolCall } from '@corral/protocol/ports/tool';

interface Held {
  holder: number;
  parked: boolean;
  attempts: number;
}

export class KnownNodes {
  readonly #nodes = new Map<number, { readonly name: string; readonly lease_ms: number | undefined; lease: number }>();
  readonly #runs = new Map<RunId, Held>();
  /**
   * By run and node: until when a living node that it was taken from may send what it had made durable before. Two nodes that kill a run
   * at the same time take it from each other.
   */
  readonly #fenced = new Map<RunId, Map<number, number>>();
  readonly #now: () => number;
  readonly #broken: (what: string) => void;

  constructor(now: () => number, broken: (what: string) => void) {
    this.#now = now;
    this.#broken = broken;
  }

  /** A call reaches its tool. @param by the node that sends it */
  invoked(tool: Tool, { run, idempotency_key: key }: ToolCall, by: number): void {
    if (this.sendsLate(run, by)) return;
    if (!this.isAlive(by)) this.#broken(`15: ${key} is sent by node ${by}, whose lease has run out`);
    const held = this.#runs.get(run);
    // A read may leave before its crank, which is then refused.
    if (held !== undefined && !mayStartEarly(tool.annotations) && held.holder !== by)
      this.#broken(`15: ${key} is sent by node ${by}, and node ${held.holder} holds its run`);
  }

  /** Whether a node has lost this run to a fence, and need not have learned of that yet. */
  sendsLate(run: RunId, by: number): boolean {
    return this.#now() <= (this.#fenced.get(run)?.get(by) ?? 0);
  }

  /** Until when the node of a name, from which a run was taken, may send what it had made durable before. Milliseconds since 1970. */
  sendsUntil(run: RunId, name: string): number | undefined {
    const of = [...(this.#fenced.get(run) ?? [])].filter(([node]) => this.#nodes.get(node)?.name === name);
    return of.at(-1)?.[1];
  }

  /** @param own nodes that joined through the port in question, since it was opened */
  took(op: string, args: readonly unknown[], value: unknown, own: readonly number[]): void {
    const say = (what: string | undefined) => what !== undefined && this.#broken(`14: ${what}`);
    switch (op) {
      case 'join':
        return this.joined(value as number, args[0] as string, args[2] as number | undefined);
      case 'beat':
        return void say(this.beat(args[0] as number, value as boolean));
      case 'leave':
        return this.left(args[0] as number);
      case 'retire':
        for (const node of own) this.left(node);
        return;
      case 'admit':
        return this.admitted((args[0] as RunRecord).id, args[2] as number | undefined);
      case 'claim':
        return void say(this.claiming(args[0] as RunId, args[1] as number, args[3] === 'fence')(value as StoredRun | undefined));
      case 'take':
        for (const stored of (value as Taken).runs) say(this.claiming(stored.record.id, args[0] as number, false)(stored));
        return;
      case 'park':
        if (value === true) this.parked(args[0] as RunId);
        return;
      case 'quarantine':
        return this.parked(args[0] as RunId);
      case 'commit':
        return this.#committed(args[0] as Commit, value as CommitResult);
      default:
    }
  }

  #committed({ run, spawned }: Commit, { created = [] }: CommitResult): void {
    if (this.isOfDead(run)) this.#broken(`14: a commit of ${run} was taken, and node ${this.#runs.get(run)?.holder} counts as dead`);
    this.committed(run);
    for (const { id } of spawned) this.admitted(id, this.#runs.get(run)?.holder);
    for (const id of created) this.admitted(id, undefined);
  }

  holderOf(run: RunId): number | undefined {
    const held = this.#runs.get(run);
    return held === undefined || held.parked ? undefined : held.holder;
  }

  /** Whether the death of the node that holds a run was seen, so that the store takes nothing more of it for the run. */
  isOfDead(run: RunId): boolean {
    return this.#nodes.get(this.#runs.get(run)?.holder ?? 0)?.lease === 0;
  }

  isAlive(node: number): boolean {
    return (this.#nodes.get(node)?.lease ?? 0) > this.#now();
  }

  joined(node: number, name: string, lease_ms: number | undefined): void {
    for (const one of this.#nodes.values()) if (one.name === name || one.lease <= this.#now()) one.lease = 0;
    this.#nodes.set(node, { name, lease_ms, lease: this.#now() + (lease_ms ?? Number.POSITIVE_INFINITY) });
  }

  beat(node: number, lives: boolean): string | undefined {
    const known = this.#nodes.get(node);
    if (known === undefined) return undefined;
    if (!lives && known.lease > this.#now()) return `node ${node} is told that it is dead, and its lease runs`;
    known.lease = lives ? this.#now() + (known.lease_ms ?? Number.POSITIVE_INFINITY) : 0;
    return undefined;
  }

  /** A node leaves, which clears the attempts of its own runs. */
  left(node: number): void {
    const known = this.#nodes.get(node);
    if (known !== undefined) known.lease = 0;
    for (const held of this.#runs.values()) if (held.holder === node) held.attempts = 0;
  }

  admitted(run: RunId, node: number | undefined): void {
    this.#runs.set(run, { holder: node ?? 0, parked: node === undefined, attempts: 0 });
  }

  parked(run: RunId): void {
    const held = this.#runs.get(run);
    if (held !== undefined) held.parked = true;
  }

  committed(run: RunId): void {
    const held = this.#runs.get(run);
    if (held !== undefined) held.attempts = 0;
  }

  /**
   * A node is about to claim a run.
   * @returns what is said of the result, if something is wrong with it
   */
  claiming(run: RunId, node: number, fences: boolean): (result: StoredRun | HeldElsewhere | undefined) => string | undefined {
    const held = this.#runs.get(run);
    const other = held !== undefined && !held.parked && held.holder !== node;
    const lives = other && this.isAlive(held.holder);
    const known = this.#nodes.get(held?.holder ?? 0);
    return (result) => {
      if (result === undefined || held === undefined) return undefined;
      if ('holder' in result) return lives ? undefined : `node ${node} is refused ${run}, and its holder ${held.holder} is dead`;
      // The store does not ask who holds a run that has ended.
      if (result.status.lifecycle === 'ended') return undefined;
      if (known !== undefined && other && !lives) known.lease = 0;
      if (lives && !fences) return `node ${node} takes ${run} from node ${held.holder}, which is alive`;
      if (lives) this.#fence(run, held.holder);
      const from = result.taken_from?.holder;
      if (from !== (lives ? held.holder : undefined)) return `the claim of ${run} says that it was taken from ${from}`;
      const attempts = held.parked ? 0 : held.attempts + Number(other && !lives);
      Object.assign(held, { holder: node, parked: false, attempts });
      return result.attempts === attempts ? undefined : `${run} has ${result.attempts} attempts after ${attempts}`;
    };
  }

  #fence(run: RunId, from: number): void {
    const fenced = this.#fenced.get(run) ?? new Map<number, number>();
    this.#fenced.set(run, fenced.set(from, this.#now() + (this.#nodes.get(from)?.lease_ms ?? Number.POSITIVE_INFINITY)));
  }
}
