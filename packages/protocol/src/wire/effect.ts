/**
 * The effects of a crank. They leave an isolate as one JSON array for each crank; nothing in them is trusted. `id` numbers the
 * effects of a run that have a reply, from 1, without gaps.
 */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { Budget, CapabilityAlias } from '../model/manifest.ts';
import type { Decision } from '../model/decision.ts';
import { Attenuation } from '../model/grant.ts';
import { HandlePart, HandleSlots } from './handle.ts';
import { MACHINE } from '../limits.ts';
import { recordOf } from '../record.ts';

const id = z.int().min(1);
/** An index in the c-list: 0 is the run's own mailbox, positive ones are given by the host, and -N is the mailbox of the child that effect N spawned. */
const cap = z.int();
/** Capabilities that go along, by the name under which the receiver finds them. */
const slots = recordOf(CapabilityAlias, Attenuation.extend({ cap })).refine(
  (caps) => Object.keys(caps).length <= MACHINE.message_slots.max,
  {
    error: `has more than ${MACHINE.message_slots.max} capabilities`,
  },
);
/** Checked by its receiver. */
const value = z.unknown();
/** Handles in the value; the value has null in their places. */
const handles = HandleSlots.exactOptional();

export const CallEffect = z.strictObject({
  kind: z.literal('call'),
  id,
  cap,
  input: value,
  timeout_ms: z.int().min(1).exactOptional(),
  /** Most attempts; left out, the host decides by the tool's annotations. */
  retry: z.strictObject({ attempts: z.int().min(1).max(MACHINE.retry_attempts.max) }).exactOptional(),
  /** The agent's own reason; shown to people, never trusted. */
  reason: z.string().max(500).exactOptional(),
  handles,
  /** The run does not want to read the result: it receives a handle. */
  as_handle: z.literal(true).exactOptional(),
  /** The answer comes in parts, by `chunk` deliveries, each against one `pull`; the reply ends them. Not together with `as_handle`. */
  stream: z.literal(true).exactOptional(),
});
/** Asks for the next chunk of a stream. `id` is that of its call. A stream for which one is asked already, or that has ended, is left as it is. */
export const PullEffect = z.strictObject({ kind: z.literal('pull'), id });
/** Reads the value of a handle. */
export const OpenEffect = z.strictObject({ kind: z.literal('open'), id, handle: z.int().min(1), at: HandlePart.exactOptional() });
/** Drops a handle, which frees the space of its value. */
export const DropEffect = z.strictObject({ kind: z.literal('drop'), handle: z.int().min(1) });
export const SendEffect = z.strictObject({
  kind: z.literal('send'),
  id,
  cap,
  body: value,
  caps: slots.exactOptional(),
  handles,
  /** The effect is a request: it is settled by the reply, and not when the message is durable. */
  request: z.strictObject({ timeout_ms: z.int().min(1).exactOptional() }).exactOptional(),
});
/** Answers a request that the run received, once. `to` names it: `run_…:7`. */
export const ReplyEffect = z.strictObject({
  kind: z.literal('reply'),
  to: z.string().max(64),
  value: value.exactOptional(),
  /** An error instead of a value. `invalid`: the message was wrong. */
  error: z.strictObject({ invalid: z.literal(true).exactOptional(), message: z.string() }).exactOptional(),
});
export const SpawnEffect = z.strictObject({
  kind: z.literal('spawn'),
  id,
  agent: AgentName,
  input: value,
  caps: recordOf(CapabilityAlias, Attenuation.extend({ cap })),
  budget: Budget,
  handles,
  /** The child runs this program, which the run made, and `agent` is the run's own. `output`: schema of what the run accepts. */
  program: z.strictObject({ source: z.string(), output: value }).exactOptional(),
});
export const TimerEffect = z.strictObject({ kind: z.literal('timer'), id, ms: z.number().min(0) });
/** Stops waiting for a call or a timer. */
export const AbortEffect = z.strictObject({ kind: z.literal('abort'), id });
/** Drops a capability for good; grants derived from it stay. The run's own mailbox cannot be dropped. */
export const DisposeEffect = z.strictObject({ kind: z.literal('dispose'), cap: cap.refine((index) => index !== 0) });
/** The agent starts or stops waiting for messages. */
export const ListenEffect = z.strictObject({ kind: z.literal('listen'), on: z.boolean() });
export const EmitEffect = z.strictObject({ kind: z.literal('emit'), event: z.string().max(100), data: value });
export const LogEffect = z.strictObject({ kind: z.literal('log'), level: z.enum(['debug', 'info', 'warn', 'error']), text: z.string() });
/** The run goes on from this state in a new isolate; earlier entries are not needed any more. The last effect of its crank. */
export const CheckpointEffect = z.strictObject({
  kind: z.literal('checkpoint'),
  state: value,
  unread: z.array(value).exactOptional(),
  handles,
});
export const FinishEffect = z.strictObject({
  kind: z.literal('finish'),
  output: value.exactOptional(),
  handles,
  error: z
    .strictObject({
      /** A code of Corral's table, if the agent threw such an error; trusted only if the host can confirm it. */
      code: z.string().max(64).exactOptional(),
      limit: z.string().max(64).exactOptional(),
      message: z.string(),
      stack: z.string().exactOptional(),
    })
    .exactOptional(),
});

export const Effect = z.discriminatedUnion('kind', [
  CallEffect,
  PullEffect,
  SendEffect,
  ReplyEffect,
  SpawnEffect,
  TimerEffect,
  AbortEffect,
  DisposeEffect,
  ListenEffect,
  EmitEffect,
  LogEffect,
  OpenEffect,
  DropEffect,
  CheckpointEffect,
  FinishEffect,
]);
export type Effect = z.infer<typeof Effect>;
export type CallEffect = z.infer<typeof CallEffect>;
export type PullEffect = z.infer<typeof PullEffect>;
export type SendEffect = z.infer<typeof SendEffect>;
export type ReplyEffect = z.infer<typeof ReplyEffect>;
export type OpenEffect = z.infer<typeof OpenEffect>;
export type SpawnEffect = z.infer<typeof SpawnEffect>;
export type FinishEffect = z.infer<typeof FinishEffect>;
export type EmitEffect = z.infer<typeof EmitEffect>;
export const Effects = z.array(Effect);

/** Whether an effect has a number of its own. The id of an abort or a pull is that of the effect that it is about. */
export const isNumbered = (effect: Effect): effect is Numbered => 'id' in effect && effect.kind !== 'abort' && effect.kind !== 'pull';
export type Numbered = Exclude<Extract<Effect, { readonly id: number }>, { readonly kind: 'abort' | 'pull' }>;

/** The decision about an effect; only those with a number of their own have one. */
export const decisionOn = (effect: Effect, byId: ReadonlyMap<number, Decision>): Decision | undefined =>
  isNumbered(effect) ? byId.get(effect.id) : undefined;
