/**
 * The items of an inbox, in each of their formats: deliveries that were sealed for their receiver, and refusals that the store words
 * itself. A refusal is stored as a code with figures and is put into words when it is read: so the store needs no key of the run that it
 * is for, whose request or message is refused in the commit of another run.
 */
import { CorralError, errorData, type ErrorData } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Label } from '@corral/protocol/model/label';
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';

/** Format of an item in an inbox; a column of its row. */
export const FORMAT = {
  /** Not sealed: a refusal as JSON. */
  refusal: 0,
  /** Sealed under its number in the inbox. */
  numbered: 1,
  /** Sealed under its sender and key. */
  sent: 2,
} as const;

/** Sender of what a run is told about its own calls and messages. */
export const TOOL = 'tool';
export const answerKey = (call: number): string => `call.${call}`;
export const refusalKey = (call: number): string => `answer.${call}`;

/** Why a request gets no reply, or a message reached nobody. Nothing in it comes from a payload. */
export type Refusal =
  /** The receiver had ended. */
  | { readonly refused: 'ended' }
  /** Too many messages wait for the receiver. */
  | { readonly refused: 'full' }
  /** The service has too many live instances. */
  | { readonly refused: 'crowded' }
  /** The state that the instance had kept in this run cannot be read. */
  | { readonly refused: 'damaged'; readonly run: RunId }
  /** The receiver ended before it replied. */
  | {
      readonly refused: 'unanswered';
      /** It had taken the request out of its inbox. */
      readonly begun: boolean;
      /** How it ended, in a word; absent if that cannot be read. */
      readonly how?: string;
      /** Its label then. */
      readonly label?: Label;
    };

/** A refusal as it is stored. */
export type Tombstone = Refusal & {
  /** The effect of the reader that is refused. */
  readonly call: number;
  /** It was a message, which has no reply, and not a request. */
  readonly message?: true;
};

/**
 * How a receiver ended, for those whose requests it leaves unanswered: the kind of its end, and the limit if one was exceeded. Its own
 * error message is left out: even a single word could carry data it has read.
 */
export const howEnded = (outcome: Outcome): string => (outcome.kind === 'exceeded' ? outcomeText(outcome) : outcome.kind);

/** The delivery that a tombstone stands for. */
export function rendered(tombstone: Tombstone): PendingDelivery {
  const label = tombstone.refused === 'unanswered' ? tombstone.label : undefined;
  return { kind: 'reply', results: [resultOf(tombstone)], ...(label === undefined ? {} : { label }) };
}

export const resultOf = (tombstone: Tombstone): Result => ({ id: tombstone.call, error: errorOf(tombstone) });

function errorOf(tombstone: Tombstone): ErrorData {
  const { call, message } = tombstone;
  switch (tombstone.refused) {
    case 'ended':
      return errorData('CORRAL_RECIPIENT_ENDED', `The run this ${message === true ? 'message' : 'request'} was for has ended.`, { call });
    case 'full':
      return errorData('CORRAL_MAILBOX_FULL', `${MACHINE.mailbox_messages.default} messages wait for that run already.`, { call });
    case 'crowded': {
      const most = MACHINE.instances_per_service.default;
      const said = `The service has ${most} live instances, which is the limit. End some that are not needed.`;
      return errorData('CORRAL_BUDGET_EXCEEDED', said, { call, limit: 'instances' });
    }
    case 'damaged':
      return errorData(
        'CORRAL_JOURNAL_DAMAGED',
        `The state that the instance kept is damaged; a person must look at ${tombstone.run}. Once that run is erased, a message makes a new instance.`,
        { call },
      );
    case 'unanswered': {
      const how = tombstone.how === undefined ? '' : ` (${tombstone.how})`;
      const said = tombstone.begun
        ? `The run ended before it replied${how}; its effects for the request are not undone.`
        : `The run ended before it did anything about the request${how}.`;
      return errorData('CORRAL_RECIPIENT_ENDED', said, { call });
    }
  }
}

const WORDED: ReadonlySet<string> = new Set<Refusal['refused']>(['ended', 'full', 'crowded', 'damaged', 'unanswered']);

export const tombstoneBytes = (tombstone: Tombstone): Buffer => Buffer.from(JSON.stringify(tombstone));

/** @throws CORRAL_INTERNAL if these are not the bytes of a tombstone; SyntaxError */
export function tombstoneOf(bytes: Uint8Array): Tombstone {
  const tombstone = JSON.parse(Buffer.from(bytes).toString()) as Tombstone;
  if (!WORDED.has(tombstone.refused) || !Number.isSafeInteger(tombstone.call))
    throw new CorralError('CORRAL_INTERNAL', 'An item of an inbox is in no form of a refusal.');
  return tombstone;
}
