/** What the broker decided about one effect. Recorded with the crank; recovery folds it and never decides again. */
import * as z from 'zod';
import { GrantId, RunId, ToolName } from './ids.ts';
import { ErrorCodeSchema } from './outcome.ts';
import { Budget } from './manifest.ts';

/** What information flow needs to know of a tool. */
export const ToolFacts = z.object({
  effect: z.enum(['none', 'fetch', 'change']),
  returns: z.enum(['trusted', 'untrusted']),
  destinations: z.array(z.string()),
  private_to: z.string().exactOptional(),
  relabels: z.enum(['endorse', 'declassify']).exactOptional(),
});
export type ToolFacts = z.infer<typeof ToolFacts>;

export const Decision = z.object({
  /** The effect's id; effects without a reply (log, emit, listen) have no decision. */
  id: z.int(),
  /** `ask`: people decide; until then the call waits. */
  verdict: z.enum(['allow', 'deny', 'ask']),
  /** Of a denial. */
  code: ErrorCodeSchema.exactOptional(),
  message: z.string().exactOptional(),
  limit: z.string().exactOptional(),
  /** The tool a call went to. */
  tool: ToolName.exactOptional(),
  /** Of a message or a child run that policies were asked about: which of them, the agent it is for, and what goes along. */
  action: z.enum(['send', 'spawn']).exactOptional(),
  agent: z.string().exactOptional(),
  gives: z.array(z.string()).exactOptional(),
  /** The grant a call or send used; for a spawn, the parent’s grant of the child’s mailbox. */
  grant: GrantId.exactOptional(),
  /** What was reserved of the purse. */
  reserved: Budget.exactOptional(),
  /** The day of the accounts above the run that it was reserved of, too. */
  day: z.string().exactOptional(),
  /** Attempts that the reservation is for, where each of them costs. */
  attempts: z.int().exactOptional(),
  /** Version of the policies that were asked. */
  policy: z.string().exactOptional(),
  /** Those of them that decided. */
  rules: z.array(z.string()).exactOptional(),
  /** What is out of the ordinary about the call, for the people who decide. */
  unusual: z.array(z.string()).exactOptional(),
  /** Where its arguments came from, by path: the worst first. */
  origins: z.array(z.tuple([z.string(), z.string()])).exactOptional(),
  /** Of an `ask`: how many people must approve, and until when. */
  quorum: z.int().exactOptional(),
  /** Who alone may: people or roles, as the rules that ask name them. All of them must fit. */
  approvers: z.array(z.string()).exactOptional(),
  expires_at: z.number().exactOptional(),
  /** SHA-256 of the arguments as the tool would get them; an approval holds for these alone. */
  digest: z.string().exactOptional(),
  /** Of a call that would lower a label: who alone may say so. */
  owner: z.string().exactOptional(),
  /** What the tool said of itself then, so that a fold needs no tool. */
  tool_facts: ToolFacts.exactOptional(),
  /** Whether the call changes something, and what it touches, as its tool said then; for the detectors. */
  changes: z.boolean().exactOptional(),
  resource: z.string().exactOptional(),
  /** It wants a reply from another run, by then at the latest. */
  request: z.object({ due: z.number().exactOptional() }).exactOptional(),
  /** Whom a request through a mailbox went to. */
  peer: RunId.exactOptional(),
  /** What stands in handles was looked at to decide, so that the run knows something of it now. */
  peeked: z.literal(true).exactOptional(),
  /** The child that a spawn made. */
  child: RunId.exactOptional(),
  /** When a timer is due. */
  due: z.number().exactOptional(),
});
export type Decision = z.infer<typeof Decision>;
