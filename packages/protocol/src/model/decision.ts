/** The broker's decision about one effect. It is recorded with the crank; recovery reads it and never decides again. */
import * as z from 'zod';
import { GrantId, RunId, ToolName } from '../ids.ts';
import { ErrorCodeSchema } from './outcome.ts';
import { Inspected, InspectorName } from './inspection.ts';
import { Budget } from './manifest.ts';

/** Facts about a tool that information flow needs. */
export const ToolFacts = z.object({
  effect: z.enum(['none', 'fetch', 'change']),
  returns: z.enum(['trusted', 'untrusted', 'model']),
  /** The fields of an untrusted result that its system writes itself. */
  trusted_fields: z.array(z.string()).exactOptional(),
  destinations: z.array(z.string()),
  private_to: z.string().exactOptional(),
  /** The writer of its result, as labels name it; left out: the tool. */
  source: z.string().exactOptional(),
  relabels: z.enum(['endorse', 'declassify']).exactOptional(),
  /** It keeps data with labels. */
  keeps: z.literal(true).exactOptional(),
});
export type ToolFacts = z.infer<typeof ToolFacts>;

/** Where a value stood in what a run has read. */
const StoodIn = z.object({
  /** The call, request or child whose answer it is; 0 or less: a message, or the input. */
  call: z.int(),
  /** The tool, service or agent that gave it; empty: any that the run has read. */
  of: z.string(),
  /** Those who may have written it, as the label of the answer names them: an origin, a tool that another run had called; `*`: more. */
  by: z.array(z.string()),
  /** `items[3].id`, cut if it is long; empty: it is one value. */
  field: z.string(),
});
export type StoodIn = Readonly<z.infer<typeof StoodIn>>;

export const Decision = z.object({
  /** The effect's id; effects without an id have no decision, and neither has an abort, whose id is that of another effect. */
  id: z.int(),
  /**
   * `ask`: people decide; until then the call waits. `inspect`: inspectors are asked; until they have answered, the effect waits, and is
   * decided then as if it came only now.
   */
  verdict: z.enum(['allow', 'deny', 'ask', 'inspect']),
  /** Findings of inspectors about it; for `inspect`, those that answered at once. */
  inspected: Inspected.exactOptional(),
  /** For `inspect`: the inspectors that are asked. */
  asks: z.array(InspectorName).exactOptional(),
  /** Set for a denial. */
  code: ErrorCodeSchema.exactOptional(),
  message: z.string().exactOptional(),
  limit: z.string().exactOptional(),
  /** The tool of a call. */
  tool: ToolName.exactOptional(),
  /**
   * For a message or a child run that policies decided about: which of the two, the agent it is for, and the capabilities that go
   * along. `output`: the decision is about how the run finishes, its output or its error; `emit`: about an event. Both have the id 0.
   */
  action: z.enum(['send', 'spawn', 'output', 'emit']).exactOptional(),
  /** For an `emit`: how many events of the same entry come before it. */
  part: z.int().min(0).exactOptional(),
  agent: z.string().exactOptional(),
  gives: z.array(z.string()).exactOptional(),
  /** The grant that a call or send used; for a spawn, the parent's grant of the child's mailbox. */
  grant: GrantId.exactOptional(),
  /** Amounts reserved from the purse. */
  reserved: Budget.exactOptional(),
  /** The day of the accounts that they were reserved from as well. */
  day: z.string().exactOptional(),
  /** Number of attempts that the reservation covers, if each costs something. */
  attempts: z.int().exactOptional(),
  /** Version of the policies that decided. */
  policy: z.string().exactOptional(),
  /** Ids of the policies that match, those that decided first. */
  rules: z.array(z.string()).exactOptional(),
  /** Those of `rules` that did not decide, since they ask for less than what was done: for approval, where another one denies. */
  also: z.array(z.string()).exactOptional(),
  /** Unusual facts about the call, for the people who decide. */
  unusual: z.array(z.string()).exactOptional(),
  /** Origins of its arguments, by path: the least trusted first; with the call and the field of its result that the value stood in, if known. */
  origins: z.array(z.tuple([z.string(), z.string()], StoodIn)).exactOptional(),
  /** The approval of an earlier call under which this one was allowed, and the money that it takes of it, in units of the currency. */
  under: z.object({ call: z.int(), amount: z.number().exactOptional() }).exactOptional(),
  /** For an `ask`: how many people must approve, and until when. */
  quorum: z.int().exactOptional(),
  /** The people or roles who may approve, as the rules that ask name them. Each entry must be satisfied. */
  approvers: z.array(z.string()).exactOptional(),
  expires_at: z.number().exactOptional(),
  /** SHA-256 of the arguments as the tool would receive them; an approval holds for these arguments only. */
  digest: z.string().exactOptional(),
  /** For an `ask`: the call is a question, so people are asked for its result. */
  question: z.literal(true).exactOptional(),
  /** For a call that would lower a label: the only person who may approve. */
  owner: z.string().exactOptional(),
  /** The tool's declarations at that time, so that recovery needs no tool. */
  tool_facts: ToolFacts.exactOptional(),
  /** Whether the call changes something, and what it touches, by the tool's declarations at that time; for the detectors. */
  changes: z.boolean().exactOptional(),
  resource: z.string().exactOptional(),
  /** Its tool is one that may be asked again and again. */
  polled: z.literal(true).exactOptional(),
  /** The effect is a request to another run, to be answered by `due` at the latest. */
  request: z.object({ due: z.number().exactOptional() }).exactOptional(),
  /** The receiver of a request through a mailbox. */
  peer: RunId.exactOptional(),
  /** Values behind handles influenced the decision, so the run has learned something about them. */
  peeked: z.literal(true).exactOptional(),
  /** For a spawn: SHA-256 of the program that the child runs, if it runs one. */
  program: z.string().exactOptional(),
  /** The child of a spawn. */
  child: RunId.exactOptional(),
  /** When a timer is due. */
  due: z.number().exactOptional(),
});
export type Decision = z.infer<typeof Decision>;

/** The policies that decided, without those that match as well. */
export const decidingIn = ({ rules = [], also = [] }: Pick<Decision, 'rules' | 'also'>): string[] =>
  rules.filter((rule) => !also.includes(rule));
