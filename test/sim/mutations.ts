/**
 * Bugs put in on purpose, to see that the simulated world finds them. Each replaces a piece of a real module's text as it is
 * loaded; the product knows nothing of it. A piece that is not there any more is an error, so that none is forgotten.
 */
import { registerHooks } from 'node:module';

interface Edit {
  readonly file: string;
  readonly piece: string;
  readonly becomes: string;
}

export const MUTATIONS: Readonly<Record<string, readonly Edit[]>> = {
  /** Calls leave before their crank is durable. */
  'skip-embargo': [
    {
      file: 'broker/src/broker.ts',
      piece: 'if (call.early) this.#dispatcher.start(record, call, loops !== undefined);',
      becomes: 'this.#dispatcher.start(record, call, loops !== undefined);',
    },
    { file: 'broker/src/broker.ts', piece: 'if (!call.early && !this.#isFenced(ledger, call.id))', becomes: 'if (!call.early && false)' },
  ],
  /** What a payment moves is not taken out of the purse. */
  'pay-for-nothing': [{ file: 'broker/src/price.ts', piece: '* attempts + moves;', becomes: '* attempts;' }],
  /** The store takes what a stale owner appends. */
  'ignore-epoch': [{ file: 'store/src/sqlite/core.ts', piece: 'head.epoch !== epoch || ', becomes: '' }],
  /** A delivery that was on its way into a cell is forgotten when its run has to leave the cell. */
  'drop-delivery': [
    {
      file: 'supervisor/src/stage.ts',
      piece: 'run.queue.unshift(run.onCpu);\n',
      becomes: '',
    },
  ],
  /** Bringing a run back looks at the clock and the grants again, instead of at what was decided. */
  'decide-again': [
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: 'ledger.load(saved);',
      becomes: `ledger.load({ ...saved, pending: saved.pending.map((one) =>
      one.kind === 'timer' ? { ...one, due: clock.now() + one.due - saved.lastAt } : one) });`,
    },
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: 'fold(ledger, entry, checkpoint);\n    lastAt',
      becomes: `fold(ledger, { ...entry, decisions: entry.decisions.map((decision) => {
      const spent = chain.some(({ id, uses, used }) => id === decision.grant && uses !== undefined && used >= uses);
      if (decision.due !== undefined) return { ...decision, due: clock.now() + decision.due - entry.at };
      return spent ? { id: decision.id, verdict: 'deny' as const, code: 'CORRAL_GRANT_SPENT' as const, message: 'spent' } : decision;
    }) }, checkpoint);
    lastAt`,
    },
  ],
  /** A call that people were asked about is made once one of them has spoken, however many were to. */
  'one-is-enough': [{ file: 'broker/src/ledger.ts', piece: 'if (everybody.length < quorum)', becomes: 'if (everybody.length < 1)' }],
  /** A notice goes to whatever isolate the run sits in, though it has just made a checkpoint. */
  'notice-first': [
    {
      file: 'supervisor/src/life.ts',
      piece: 'if (checkpointed) this.#beginSegment(run);\n      this.#options.loops().cranked(run);',
      becomes: 'this.#options.loops().cranked(run);\n      if (checkpointed) this.#beginSegment(run);',
    },
  ],
  /** What a run has read is forgotten with its checkpoint. */
  'wash-label': [
    {
      file: 'broker/src/ledger.ts',
      piece: 'label: from.label, ...(from.placed',
      becomes: 'label: undefined, ...(from.placed',
    },
  ],
  /** A capability that was taken back is still good for what was asked for before. */
  'revoke-later': [
    {
      file: 'broker/src/broker.ts',
      piece: "if (pending?.kind !== 'call' || !this.#powers.grants.isRevoked(pending.grant)) return false;",
      becomes: "if (pending?.kind !== 'call' || Date.now() > 0) return false;",
    },
  ],
  /** Whoever waits for the reply of a run that ends is not told. */
  'forget-requests': [
    {
      file: 'store/src/sqlite/post.ts',
      piece: 'of this.#requests.close(run, n))',
      becomes: 'of this.#requests.close(run, n).slice(1_000_000))',
    },
  ],
  /** Time that a run waits for its host counts as its own. */
  'queue-is-wall': [
    {
      file: 'supervisor/src/runs/run.ts',
      piece: 'free && (this.onCpu !== undefined || !this.hasWork)',
      becomes: 'free',
    },
    {
      file: 'supervisor/src/runs/clocks.ts',
      piece: 'if (run.onCpu === undefined && !run.hasWork) run.ledger.wall.waited(',
      becomes: 'if (false) run.ledger.wall.waited(',
    },
  ],
  /** Time in which people are asked counts as the run's own. */
  'asking-is-wall': [
    {
      file: 'broker/src/ledger.ts',
      piece: "return waiting === 'approval' || waiting === 'resolution' || waiting === 'upgrade';",
      becomes: "return waiting === 'upgrade';",
    },
  ],
  /** Answers that the store kept of calls are not looked at when their run is brought back. */
  'lose-answer': [
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: "(seq < 0 && delivery.kind === 'reply' ? delivery.results : [])",
      becomes: '(seq === 0 ? [] : [])',
    },
  ],
  /** An answer that was kept stays when its crank has it, and is given to the run once more by the next host. */
  'answer-twice': [
    {
      file: 'store/src/sqlite/core.ts',
      piece: 'for (const id of commit.answered ?? []) this.#run(',
      becomes: 'for (const id of (commit.answered ?? []).slice(1_000_000)) this.#run(',
    },
    {
      file: 'supervisor/src/taken-up.ts',
      piece: "pending?.kind !== 'call' || pending.state === 'unknown' || run.hasReply(result.id)",
      becomes: 'run.hasReply(result.id)',
    },
    {
      file: 'supervisor/src/runs/run.ts',
      piece: '(inbox === undefined ? pending.has(id) :',
      becomes: '(inbox === undefined ? pending.has(id) || this.kept.some((one) => one.id === id) :',
    },
  ],
  /** A call whose answer was kept is looked after as if it had none. */
  'doubt-answer': [{ file: 'supervisor/src/taken-up.ts', piece: '    if (run.hasReply(pending.id)) continue;\n', becomes: '' }],
  /** A payment of unknown result that a person has made again takes nothing more out of the purse. */
  'retry-for-nothing': [{ file: 'broker/src/spending.ts', piece: '(amount > 0 ? [[name', becomes: '(amount < 0 ? [[name' }],
  /** A call that its run has given up is made all the same once people approve it. */
  'approve-given-up': [
    {
      file: 'broker/src/given-up.ts',
      piece: "else if (pending?.kind === 'approval')\n    withdraw(ledger, pending, givenUp(id",
      becomes: "else if (pending?.kind === 'approval' && pending.quorum > 99)\n    withdraw(ledger, pending, givenUp(id",
    },
    {
      file: 'broker/src/decide/decide.ts',
      piece: 'callOffApproval(batch, effect.id);\n          break;',
      becomes: 'break;',
    },
  ],
  /** A run is parked whatever has come for it, and whoever owns it now. */
  'park-blindly': [
    {
      file: 'store/src/sqlite/core.ts',
      piece: 'WHERE id = ? AND epoch = ? AND inbox_seq = ? AND parked = 0',
      becomes: 'WHERE id = ? AND ? IS NOT NULL AND ? IS NOT NULL AND parked = 0',
    },
  ],
};

/** @throws Error for a name that is none, and while loading when a piece is not in its file exactly once */
export function mutate(name: string): void {
  const edits = MUTATIONS[name];
  if (edits === undefined) throw new Error(`There is no mutation ${name}; there are ${Object.keys(MUTATIONS).join(', ')}.`);
  const missing = new Set(edits);
  registerHooks({
    load(url, context, next) {
      const mine = edits.filter(({ file }) => url.endsWith(`/packages/${file}`));
      const loaded = next(url, context);
      if (mine.length === 0) return loaded;
      const text = loaded.source ?? '';
      let source = typeof text === 'string' ? text : Buffer.from(text as Uint8Array).toString();
      for (const edit of mine) {
        const parts = source.split(edit.piece);
        if (parts.length !== 2)
          throw new Error(`${edit.file} has ${parts.length - 1} times what the mutation ${name} replaces: ${edit.piece}`);
        source = parts.join(edit.becomes);
        missing.delete(edit);
      }
      return { ...loaded, source };
    },
  });
  process.on('exit', () => {
    if (missing.size === 0) return;
    console.error(`The mutation ${name} was never put in.`);
    process.exitCode = 2;
  });
}
