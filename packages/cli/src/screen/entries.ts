/** Journals as text: one line for the delivery of a crank and one for each effect, cut to the width of the terminal. */
import { styleText } from 'node:util';
import stringWidth from 'string-width';
import type { Decision } from '@corral/protocol/model/decision';
import { findingText, type Inspected } from '@corral/protocol/model/inspection';
import type { Delivery, Result } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect, type SpawnEffect } from '@corral/protocol/wire/effect';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import { frameOf } from '../stack.ts';
import { beginning, printable } from './table.ts';

type Style = Parameters<typeof styleText>[0];

/** Width if the terminal's is unknown. */
const WIDTH = 140;

export const screenWidth = (): number => process.stdout.columns ?? (Number(process.env['COLUMNS']) || WIDTH);
export const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** Text without control characters, cut to a number of columns. */
export function fit(text: string, width: number): string {
  const clean = printable(text);
  if (stringWidth(clean) <= width) return clean;
  return `${beginning(clean, width - 1)}…`;
}

/** The same, padded to that width. */
export function column(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fitted = fit(text, width);
  const gap = ' '.repeat(Math.max(0, width - stringWidth(fitted)));
  return align === 'right' ? gap + fitted : fitted + gap;
}

const json = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/** A delivery as text. */
export function deliveryText(text: string): string {
  const delivery = JSON.parse(text) as Delivery;
  switch (delivery.kind) {
    case 'start':
      return delivery.state === undefined ? `start ${json(delivery.input)}` : `start from checkpoint ${json(delivery.state)}`;
    case 'reply':
      return `reply ${delivery.results.map((result) => resultText(result)).join(', ')}`;
    case 'chunk':
      return `chunk of ${delivery.id} from part ${delivery.offset + 1} ${json(delivery.parts)}`;
    case 'message':
      return `message from ${delivery.from.agent} ${json(delivery.body)}`;
    case 'timer':
      return `timer ${delivery.id}`;
    case 'child_ended':
      return `child ${delivery.id} ${outcomeText(delivery.outcome)}${delivery.outcome.kind === 'completed' ? ` ${json(delivery.outcome.output)}` : ''}`;
    case 'cancel':
      return `cancel: ${delivery.reason}`;
    case 'notice':
      return `notice (${delivery.detector}): ${delivery.text}`;
  }
}

function resultText(result: Result): string {
  return 'error' in result
    ? `${result.id} ${result.error.code}: ${result.error.message}`
    : `${result.id} ${result.handle === undefined ? '' : 'unread '}${json(result.value)}`;
}

/** How a person lowered a label; empty if not at all. */
export function loweredText(change: { readonly kind: 'endorse' | 'declassify'; readonly names: readonly string[] } | undefined): string {
  if (change === undefined) return '';
  const names = change.names.length === 0 ? 'nobody' : change.names.join(', ');
  return change.kind === 'endorse' ? `; vouched in spite of ${names}` : `; no longer private to ${names}`;
}

/** One effect, with its decision. */
function effectText(effect: Effect, decision: Decision | undefined): string {
  const verdict =
    decision?.verdict === 'deny' ? `  ✗ ${decision.code ?? 'denied'}${decision.message === undefined ? '' : ` ${decision.message}`}` : '';
  switch (effect.kind) {
    case 'call':
      return `${effect.stream === undefined ? 'call' : 'stream'} ${effect.id} ${decision?.tool ?? `capability ${effect.cap}`} ${json(effect.input)}${verdict}`;
    case 'send':
      return `${effect.request === undefined ? 'send' : 'request'} ${effect.id} ${json(effect.body)}${verdict}`;
    case 'reply':
      return `reply to ${effect.to} ${effect.error === undefined ? json(effect.value) : `with an error: ${effect.error.message}`}`;
    case 'spawn':
      return `spawn ${effect.id} ${effect.agent}${programText(effect)} ${json(effect.input)}${decision?.child === undefined ? '' : ` as ${decision.child}`}${verdict}`;
    case 'timer':
      return `timer ${effect.id} in ${effect.ms} ms`;
    case 'abort':
      return `abort ${effect.id}`;
    case 'pull':
      return `ask for the next chunk of ${effect.id}`;
    case 'open':
      return `open ${effect.id} handle ${effect.handle}${verdict}`;
    case 'drop':
      return `drop handle ${effect.handle}`;
    case 'dispose':
      return `drop capability ${effect.cap}`;
    case 'listen':
      return effect.on ? 'listen for messages' : 'listen no more';
    case 'emit':
      return `emit ${effect.event} ${json(effect.data)}`;
    case 'log':
      return `log ${effect.level} ${effect.text}`;
    case 'checkpoint':
      return `checkpoint ${json(effect.state)}`;
    case 'finish':
      return effect.error === undefined
        ? `finish ${json(effect.output)}`
        : `finish with ${effect.error.code ?? 'an error'}${frameOf(effect.error.stack)}: ${effect.error.message}`;
  }
}

const inspectedText = (inspected: Inspected = {}): string =>
  Object.entries(inspected)
    .map(([name, said]) => `${name}: ${findingText(said)}`)
    .join('; ');

/** The program that a child runs: how long it is, and how it begins. */
export function programText({ program }: SpawnEffect): string {
  if (program === undefined) return '';
  const lines = program.source.split('\n');
  const first = lines.find((line) => line.trim() !== '') ?? '';
  return ` program of ${lines.length} ${lines.length === 1 ? 'line' : 'lines'} (${fit(first.trim(), 40)})`;
}

/** An entry of the host outside of a crank. */
function eventText(event: HostEvent): string {
  switch (event.kind) {
    case 'unknown':
      return `call ${event.id} has an unknown result: ${event.message}`;
    case 'resolved':
      return `call ${event.id} resolved by ${event.by}: ${event.how}${event.how === 'result' ? ` ${json('value' in event.result ? event.result.value : event.result)}` : ''}${event.reason === undefined ? '' : ` (${event.reason})`}`;
    case 'control':
      return event.control === 'none'
        ? `resumed by ${event.by}: ${event.reason}`
        : `${event.control} by ${event.by}${event.family === undefined ? '' : ` with the family of ${event.family}`}: ${event.reason}`;
    case 'cancel':
      return `cancel asked for by ${event.by}: ${event.reason}`;
    case 'approval':
      return `${verdictText(event)}${event.reason === '' ? '' : `: ${event.reason}`}${loweredText(event.relabel)}${event.holds === undefined ? '' : `; it holds for ${event.holds.uses} later calls of the same ${event.holds.scope}`}`;
    case 'inspected':
      return `call ${event.id} inspected (${inspectedText(event.decision.inspected)}): ${event.decision.verdict}${event.decision.message === undefined ? '' : ` (${event.decision.message})`}`;
    case 'input_required':
      return `${event.tool} needs input to go on with call ${event.id}: ${event.request.question}`;
    case 'fenced':
      return `call ${event.id}, withheld from the agent (its capability was revoked, or its run ended): ${resultText(event.result)}`;
    case 'unanswered':
      return `request ${event.id} has expired: ${resultText(event.result)}`;
    case 'withdrawn':
      return `${event.by} took back that the approval of call ${event.id} holds for later ones: ${event.reason}`;
    case 'held':
      return `held (${event.why}): ${event.detail}`;
    case 'released':
      return `released by ${event.by}: ${event.reason}`;
    case 'restamped':
      return `replayed the same on Node ${event.header.node}`;
    case 'upgraded':
      return `moved to version ${event.version.slice(0, 19)}… by ${event.by}`;
    case 'forked':
      return `forked from ${event.from} by ${event.by}`;
    case 'step':
      return event.because.length === 0
        ? `calm again: ${event.step}`
        : `${event.step}: ${event.because.map(({ detector, text }) => `${detector}: ${text}`).join('; ')}`;
    case 'refusals':
      return `refused to ${event.agent} ${event.child}, a child: ${event.refused.map(({ what }) => what).join(', ')}`;
    case 'checkpoint':
      return 'a new segment begins';
    case 'ended':
      return `ended: ${outcomeText(event.outcome)}${'message' in event.outcome ? ` ${event.outcome.message}` : ''}`;
  }
}

/** The effects of an entry with their decisions, a line each. */
export function effectLines(effects: string, decisions: readonly Decision[]): { readonly text: string; readonly denied: boolean }[] {
  let list: Effect[];
  try {
    list = JSON.parse(effects) as Effect[];
  } catch {
    return [{ text: effects, denied: true }];
  }
  const byId = new Map(decisions.map((decision) => [decision.id, decision]));
  return list.map((effect) => {
    const decision = decisionOn(effect, byId);
    return { text: effectText(effect, decision), denied: decision?.verdict === 'deny' };
  });
}

/** Gives `1.2 ms`, in at most eight columns. */
export const cpuText = (cpu_us: number): string => (cpu_us < 1e5 ? `${(cpu_us / 1000).toFixed(1)} ms` : `${(cpu_us / 1e6).toFixed(1)} s`);

/** The result of replaying a crank. */
export interface Again {
  readonly cpu_us: number;
  readonly matched: boolean;
}

const COLUMNS = { seq: 6, at: 9, cpu: 9 };

/** The titles above `entryLines`. */
export function entryTitle(replayed: boolean): string {
  const { seq, at, cpu } = COLUMNS;
  const again = replayed ? `${column('replayed', cpu, 'right')}  ` : '';
  return paint('dim', `${column('crank', seq, 'right')}  ${column('after', at, 'right')}  ${column('CPU', cpu, 'right')}  ${again} what`);
}

/**
 * The lines of one entry.
 * @param began time stamp of the first entry
 * @param again undefined: it was not replayed; null: replays are shown, and this entry has none
 * @param lines maps positions in the bundle to the author's lines
 */
export function entryLines(entry: Entry, began: number, again: Again | null | undefined, lines: (text: string) => string): string[] {
  const width = screenWidth();
  const { seq, at, cpu } = COLUMNS;
  const crank = entry.delivery !== undefined;
  const since = entry.at - began;
  const after = since < 1e4 ? `+${since} ms` : `+${(since / 1000).toFixed(1)} s`;
  let head = `${paint('bold', column(String(entry.seq), seq, 'right'))}  ${paint('dim', column(after, at, 'right'))}  `;
  head += column(crank ? cpuText(entry.cpu_us) : '', cpu, 'right');
  let indent = seq + at + cpu + 6;
  if (again !== undefined) {
    head += `  ${column(again === null ? '' : cpuText(again.cpu_us), cpu, 'right')} `;
    head += again === null ? ' ' : again.matched ? paint('green', '✓') : paint('red', '✗');
    indent += cpu + 4;
  } else head += ' ';
  const room = Math.max(20, width - indent);
  const rest = ' '.repeat(indent - 1);
  const made: string[] = [];
  const put = (text: string, style: Style | undefined) => {
    const fitted = fit(lines(text), room);
    made.push(`${made.length === 0 ? head : rest} ${style === undefined ? fitted : paint(style, fitted)}`);
  };
  if (entry.delivery !== undefined) put(deliveryText(entry.delivery), 'cyan');
  if (entry.effects !== undefined)
    for (const { text, denied } of effectLines(entry.effects, entry.decisions)) put(`→ ${text}`, denied ? 'red' : undefined);
  if (entry.event !== undefined) put(eventText(entry.event), 'yellow');
  if (made.length === 0) made.push(head);
  return made;
}

/** Describes the decision of a person about a call. */
export function verdictText({
  id,
  verdict,
  by,
  answer,
  goes_on,
}: Pick<HostEvent & { readonly kind: 'approval' }, 'id' | 'verdict' | 'by' | 'answer' | 'goes_on'>): string {
  if (goes_on === true)
    return `call ${id} goes on without the input that its tool needs: ${verdict === 'deny' ? `${by} gave none` : 'nobody answered in time'}`;
  if (verdict === 'expired') return `call ${id} waited for approval in vain`;
  return `call ${id} ${answer !== undefined ? 'answered' : verdict === 'approve' ? 'approved' : 'refused'} by ${by}`;
}
