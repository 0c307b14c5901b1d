/**
 * The host's side of the purchasing example: tools made of plain functions with the annotations that policies need; the tenant's
 * policies; and an owner who decides by a script, so that the example runs unattended.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Supervisor } from '@corral/supervisor';
import { inlineTool, ToolError } from '@corral/tools/define';

export interface Payment {
  readonly to: string;
  readonly amount: number;
  readonly reference: string;
  readonly run: string;
}

/** The effects of the shop that can be seen from outside. */
export interface ShopLedger {
  readonly payments: Payment[];
  readonly mails: { readonly to: string; readonly text: string }[];
}

const SUPPLIERS = [
  { name: 'Helios', account: 'DE75512108001245126199', terms: 'net 14 days, 2 percent rebate from the second order' },
  { name: 'Lumen', account: 'AT483200000012345864', terms: 'net 30 days, 4 percent rebate above ten pieces' },
  { name: 'Nordlicht', account: 'DE89370400440532013000', terms: 'prepaid, 7 percent rebate negotiated in March' },
];

const READING = { readOnly: true, idempotent: true, destructive: false, openWorld: false } as const;
const CHANGING = { readOnly: false, idempotent: false, destructive: true, openWorld: true, returns: 'trusted' } as const;

/** @param folder with one mail a file, named after its sender */
export async function shopTools(folder: string): Promise<{ readonly tools: readonly Tool[]; readonly ledger: ShopLedger }> {
  const mails = (await readdir(folder)).toSorted().map((file, i) => ({ id: i + 1, supplier: parse(file).name, file }));
  const ledger: ShopLedger = { payments: [], mails: [] };
  const tools = [
    inlineTool({
      name: 'mail.list',
      description: 'Which mails are there, and from whom. Senders are checked.',
      input: z.strictObject({}),
      output: z.object({ mails: z.array(z.object({ id: z.int(), supplier: z.string() })) }),
      annotations: { ...READING, returns: 'trusted' },
      run: () => ({ mails: mails.map(({ id, supplier }) => ({ id, supplier })) }),
    }),
    inlineTool({
      name: 'mail.read',
      description: 'The text of one mail.',
      input: z.strictObject({ id: z.int() }),
      output: z.object({ text: z.string() }),
      annotations: { ...READING, returns: 'untrusted' },
      async run({ id }) {
        const mail = mails.find((one) => one.id === id);
        if (mail === undefined) throw new ToolError(`There is no mail ${id}.`);
        return { text: await readFile(join(folder, mail.file), 'utf8') };
      },
    }),
    inlineTool({
      name: 'mail.send',
      description: 'Sends a mail.',
      input: z.strictObject({ to: z.string(), text: z.string() }),
      output: z.object({ sent: z.boolean() }),
      annotations: { ...CHANGING, destinations: ['to'] },
      run(mail) {
        ledger.mails.push(mail);
        return { sent: true };
      },
    }),
    inlineTool({
      name: 'suppliers.list',
      description: 'The directory of suppliers, with their accounts and the terms negotiated with each.',
      input: z.strictObject({}),
      output: z.object({ suppliers: z.array(z.object({ name: z.string(), account: z.string(), terms: z.string() })) }),
      annotations: { ...READING, returns: 'trusted', private_to: 'shop' },
      run: () => ({ suppliers: SUPPLIERS }),
    }),
    inlineTool({
      name: 'payments.send',
      description: 'Pays, in EUR.',
      input: z.strictObject({ to: z.string(), amount: z.number().positive(), reference: z.string() }),
      output: z.object({ payment: z.int() }),
      annotations: { ...CHANGING, destinations: ['to'], money: 'amount' },
      run(payment, { run }) {
        ledger.payments.push({ ...payment, run });
        return { payment: ledger.payments.length };
      },
    }),
  ];
  return { tools, ledger };
}

/** A call that the owner was asked about, and the decision. */
export interface Asked {
  readonly run: string;
  readonly agent: string;
  readonly tool: string;
  readonly input: unknown;
  readonly rules: readonly string[];
  readonly unusual: readonly string[];
  /** Excerpts of what strangers gave the run, in which arguments of the call occur. */
  readonly strangers: readonly { readonly path: string; readonly source: string; readonly text: string }[];
  readonly verdict: 'approve' | 'deny';
  readonly by: string;
  readonly reason: string;
  readonly after_ms: number;
}

export interface ScriptedOwner {
  readonly asked: readonly Asked[];
  /** The current activity of the owner, for the screen; empty: none. */
  readonly busy: () => string;
  stop(): void;
}

/**
 * Decides about a tenant's calls as its owner would, some time after each was asked about, by the facts of the approval: refuses
 * a destination that comes from a stranger's text, and approves anything else.
 */
export function scriptedOwner(supervisor: Supervisor, tenant: string, after_ms: number, by = 'owner'): ScriptedOwner {
  const asked: Asked[] = [];
  const waiting = new Map<NodeJS.Timeout, string>();
  const decide = async (run: RunId, call: number, since: number) => {
    const approval = (await supervisor.approvals({ run })).find((one) => one.run === run && one.call === call);
    if (approval === undefined) return;
    const { agent, tool, input, rules, unusual, quotes } = approval;
    const strangers = quotes.flatMap(({ path, source, text, trusted }) => (trusted ? [] : [{ path, source, text }]));
    const strange = unusual.includes('destination_from_untrusted_text');
    const verdict = strange ? 'deny' : 'approve';
    const reason = strange ? 'only a stranger knows this account' : 'a supplier of ours, at the price agreed on';
    const after = Math.round(performance.now() - since);
    // Noted first: the run goes on, and may end, before the call below returns.
    asked.push({ run, agent, tool, input, rules, unusual, strangers, verdict, by, reason, after_ms: after });
    await supervisor.control.decide(approval.run, call, by, verdict, reason);
  };
  const stop = supervisor.observe((observation) => {
    if (observation.kind !== 'asked' || supervisor.view(observation.run)?.tenant !== tenant) return;
    const since = performance.now();
    const timer = setTimeout(() => {
      waiting.delete(timer);
      // Fails if the run has ended meanwhile; then there is nothing to decide.
      decide(observation.run, observation.call, since).catch(() => undefined);
    }, after_ms);
    waiting.set(timer, observation.tool);
  });
  return {
    asked,
    busy: () => [...waiting.values()].map((tool) => `the owner looks at a call of ${tool} …`).join(' '),
    stop() {
      stop();
      for (const timer of waiting.keys()) clearTimeout(timer);
    },
  };
}
