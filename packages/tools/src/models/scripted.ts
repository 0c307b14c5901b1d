/**
 * A model that follows a script: for tests, demonstrations, and a first try without a key. It says in each answer that it is one. Rules
 * are tried in order, and the first that fits the end of the conversation answers. Patterns run in time linear in the text (RE2), since
 * the text is what strangers wrote.
 */
import { setTimeout } from 'node:timers/promises';
import { RE2JS } from 're2js';
import type { Json } from '@corral/protocol/json';
import { ModelFailure, type Model, type ModelCall } from './model.ts';
import { handedOver, words } from './parts.ts';
import type { Message, ModelAnswer, ModelRequest } from './request.ts';

/** One rule. In `say` and in the inputs of calls, `$1` is the first group of `matches`, and `$0` all that it matched. */
export interface Turn {
  readonly when?:
    | {
        /** A pattern for the last words of the user, or the last results of tools. */
        readonly matches?: string | undefined;
        /** The tool whose result came last. */
        readonly after?: string | undefined;
        /** The number of answers that the model has given in this conversation. */
        readonly answers?: number | undefined;
      }
    | undefined;
  /** A stream hands it over word by word, and a list as it is. */
  readonly say?: string | readonly string[] | undefined;
  readonly call?: readonly { readonly tool: string; readonly input?: Json | undefined }[] | undefined;
  /** The attempt fails: `busy` may be tried again. A stream says first what there is to say. */
  readonly fail?: 'busy' | 'refused' | 'lost' | undefined;
  /** A stream waits so long before each part. */
  readonly pace_ms?: number | undefined;
}

const BYTES_A_TOKEN = 4;

/** @throws Error for a pattern that RE2 does not have */
export function scriptedModel(turns: readonly Turn[]): Model {
  const rules = turns.map((turn) => ({ turn, pattern: turn.when?.matches === undefined ? undefined : RE2JS.compile(turn.when.matches) }));
  const maker = { provider: 'scripted', model: 'script' };
  return {
    maker,
    async ask(request, call) {
      const { prompt, begun } = unfinished(request.prompt);
      const place = placeOf(prompt);
      for (const { turn, pattern } of rules) {
        const groups = fits(turn, pattern, place);
        if (groups === undefined) continue;
        const texts = remaining(begun, saidIn(turn, groups));
        return said(turn, answerOf(turn, texts, groups, request, place), call, texts);
      }
      throw new ModelFailure('refused', `No rule of the scripted model fits: ${JSON.stringify(place.text.slice(0, 200))}.`);
    },
  };
}

/**
 * A conversation whose last words are the model's own is one that broke off there: a stream was lost. The answer goes on after them, as that of a
 * provider that takes the beginning of an answer.
 */
function unfinished(prompt: readonly Message[]): { readonly prompt: readonly Message[]; readonly begun: string } {
  const last = prompt.at(-1);
  if (last?.role !== 'assistant') return { prompt, begun: '' };
  const texts = last.content.map((part) => (part.type === 'text' ? part.text : undefined));
  if (texts.includes(undefined)) return { prompt, begun: '' };
  return { prompt: prompt.slice(0, -1), begun: texts.join('') };
}

/** The rest of a text after a beginning; all of it, if it does not begin like that. */
function remaining(begun: string, texts: readonly string[]): readonly string[] {
  if (!texts.join('').startsWith(begun)) return texts;
  let left = begun.length;
  return texts.flatMap((text) => {
    const rest = text.slice(left);
    left = Math.max(0, left - text.length);
    return rest === '' ? [] : [rest];
  });
}

/** Where the conversation stands. */
interface Place {
  readonly text: string;
  readonly after: string | undefined;
  readonly answers: number;
}

function placeOf(prompt: readonly Message[]): Place {
  const last = prompt.findLast(({ role }) => role !== 'assistant' && role !== 'system');
  const answers = prompt.filter(({ role }) => role === 'assistant').length;
  if (last === undefined || typeof last.content === 'string') return { text: '', after: undefined, answers };
  let after: string | undefined;
  const texts = last.content.map((part) => {
    if (part.type === 'text') return part.text;
    if (part.type !== 'tool-result') return '';
    after = part.toolName;
    const { output } = part;
    const value = 'value' in output ? output.value : undefined;
    return typeof value === 'string' ? value : JSON.stringify(value ?? output);
  });
  return { text: texts.join('\n'), after, answers };
}

/** @returns the groups of the pattern, the whole match first; undefined if the rule does not fit */
function fits({ when }: Turn, pattern: RE2JS | undefined, { text, after, answers }: Place): readonly string[] | undefined {
  if (when?.after !== undefined && when.after !== after) return undefined;
  if (when?.answers !== undefined && when.answers !== answers) return undefined;
  if (pattern === undefined) return [''];
  const found = pattern.matcher(text);
  if (!found.find()) return undefined;
  return Array.from({ length: found.groupCount() + 1 }, (_, i) => found.group(i) ?? '');
}

/** Fills in groups. A text that is one group and `:number` becomes a number: `$2:number`. */
function filled(value: Json, groups: readonly string[]): Json {
  if (typeof value === 'string') {
    const number = /^\$(\d):number$/.exec(value);
    if (number !== null) return Number(groups[Number(number[1])]?.replaceAll(',', ''));
    return value.replace(/\$(\d)/g, (_, n: string) => groups[Number(n)] ?? '');
  }
  if (Array.isArray(value)) return value.map((one: Json) => filled(one, groups));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, groups)]));
}

function answerOf(turn: Turn, texts: readonly string[], groups: readonly string[], request: ModelRequest, { answers }: Place): ModelAnswer {
  const text = texts.join('');
  const calls = (turn.call ?? []).map(({ tool, input = {} }, i) => ({
    type: 'tool-call',
    toolCallId: `call-${answers + 1}-${i + 1}`,
    toolName: tool,
    input: JSON.stringify(filled(input, groups)),
  }));
  const content = [...(text === '' ? [] : [{ type: 'text', text }]), ...calls];
  const tokens = (of: unknown) => Math.ceil(Buffer.byteLength(JSON.stringify(of)) / BYTES_A_TOKEN);
  const output = Math.min(tokens(content), request.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  return {
    ...answerWith(text, tokens(request.prompt), output),
    content,
    finishReason: { unified: calls.length > 0 ? 'tool-calls' : 'stop' },
  };
}

const saidIn = ({ say = [] }: Turn, groups: readonly string[]): string[] =>
  (typeof say === 'string' ? [say] : say).map((text) => filled(text, groups) as string);

async function said(turn: Turn, answer: ModelAnswer, { part, signal }: ModelCall, texts: readonly string[]): Promise<ModelAnswer> {
  const { fail, say, pace_ms = 0 } = turn;
  const ended = () => {
    if (fail !== undefined) throw new ModelFailure(fail, `The scripted model fails here (${fail}).`);
  };
  if (part === undefined || (fail !== undefined && answer.text === '')) {
    ended();
    return answer;
  }
  const paced = async (one: Json) => {
    if (pace_ms > 0)
      await setTimeout(pace_ms, undefined, { signal }).catch((cause: unknown) => {
        throw new ModelFailure('lost', 'The scripted model was given up in the middle of its answer.', { cause });
      });
    await part(one);
  };
  const end = await handedOver(answer, paced, typeof say === 'string' ? words : () => texts);
  ended();
  return end;
}

/** An answer of these words. */
export const answerWith = (text: string, input = 0, output = 0): ModelAnswer => ({
  content: text === '' ? [] : [{ type: 'text', text }],
  text,
  finishReason: { unified: 'stop' },
  usage: { inputTokens: { total: input, noCache: input }, outputTokens: { total: output, text: output } },
  warnings: [],
  response: { modelId: 'script' },
  maker: { provider: 'scripted', model: 'script' },
});
