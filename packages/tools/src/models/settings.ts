/** Settings of providers in a request: those that an agent may choose, and those that an answer asks to have back. */
import type { Message, ModelRequest, PromptPart } from './request.ts';

export type Settings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
type Holder = { readonly providerOptions?: Settings };

/**
 * A provider adds settings to the parts of its answer, which it wants back in the next prompt; these are taken along. Any other setting
 * could change what a call costs or where it goes, so only those that the configuration names are permitted.
 */
const ECHOED: ReadonlySet<string> = new Set([
  ...['itemId', 'reasoningEncryptedContent', 'phase', 'namespace', 'async', 'caller', 'annotations', 'parallelToolCall'].map(
    (one) => `openai.${one}`,
  ),
  ...['signature', 'redactedData', 'caller', 'citations', 'type', 'toolsetName'].map((one) => `anthropic.${one}`),
  ...['bedrock', 'amazonBedrock'].flatMap((provider) =>
    ['signature', 'redactedData', 'redactedContent'].map((one) => `${provider}.${one}`),
  ),
  'google.thoughtSignature',
  'google.thought',
  'compatible.thoughtSignature',
]);

/**
 * Settings of the form of an answer: no value of theirs takes it beyond its bound or elsewhere, and packages on OpenAI’s and Anthropic’s
 * SDKs send them unasked.
 */
const OF_FORM: readonly string[] = [
  'openai.textVerbosity',
  'openai.parallelToolCalls',
  'openai.reasoningSummary',
  'anthropic.disableParallelToolUse',
];

/** The names under which the providers' packages look for their settings. */
const READ: ReadonlySet<string> = new Set(
  'openai azure anthropic google googleVertex vertex bedrock amazonBedrock compatible openai-compatible openaiCompatible'.split(' '),
);

const namesIn = (settings: Settings | undefined): string[] =>
  Object.entries(settings ?? {}).flatMap(([provider, set]) => Object.keys(set).map((one) => `${provider}.${one}`));

/**
 * The request without settings of its messages under names that no provider reads: frameworks keep notes of their own there, such as
 * `mastra.createdAt`. They are left out, so that they stay without an effect whatever a provider's package reads one day. On the request and
 * on functions nobody but the author of an agent writes, and there a name that is misspelt is refused.
 */
function forProviders(request: ModelRequest, permitted: readonly string[]): ModelRequest {
  const named = new Set(permitted.map((one) => one.split('.', 1)[0]));
  const isRead = (provider: string) => READ.has(provider) || named.has(provider);
  if (request.prompt.every((message) => holdersIn(message).every((one) => Object.keys(one.providerOptions ?? {}).every(isRead))))
    return request;
  const own = <T extends Holder>(holder: T): T => filtered(holder, (name) => isRead(name.split('.', 1)[0] ?? ''));
  const partOf = (part: PromptPart): PromptPart => {
    if (part.type !== 'tool-result') return own(part);
    const { output } = part;
    return { ...own(part), output: own(output.type === 'content' ? { ...output, value: output.value.map(own) } : output) };
  };
  const prompt = request.prompt.map((message) =>
    message.role === 'system' ? own(message) : ({ ...own(message), content: message.content.map(partOf) } as Message),
  );
  return { ...request, prompt };
}

/**
 * The request with no setting that is not permitted. On the parts of assistant messages, which are those of answers, unknown settings are
 * dropped, since an agent has them from a provider. @returns text: the first setting elsewhere that is not permitted
 */
export function permittedOf(asked: ModelRequest, permitted: readonly string[]): ModelRequest | string {
  const request = forProviders(asked, permitted);
  const open = new Set([...permitted, ...OF_FORM]);
  const beyond = (holder: Holder, echoed = false) =>
    namesIn(holder.providerOptions).find((one) => !open.has(one) && !(echoed && ECHOED.has(one)));
  const holders = request.prompt.flatMap((message): Holder[] => (message.role === 'user' ? [message, ...message.content] : [message]));
  const found = [request, ...(request.tools ?? []), ...holders].map((one) => beyond(one)).find((one) => one !== undefined);
  if (found !== undefined) return found;
  // The result of a function has the settings of its call, where the AI SDK makes it.
  for (const message of request.prompt)
    for (const part of message.role === 'tool' ? message.content : []) {
      const wrong = partsIn(part)
        .map((one) => beyond(one, true))
        .find((one) => one !== undefined);
      if (wrong !== undefined) return wrong;
    }
  const kept = (name: string) => permitted.includes(name) || ECHOED.has(name);
  const prompt = request.prompt.map((message) =>
    message.role === 'assistant' ? { ...message, content: message.content.map((part) => filtered(part, kept)) } : message,
  );
  return { ...request, prompt };
}

/** A result of a function, and what has settings of its own in it. */
function partsIn(part: Extract<PromptPart, { readonly type: 'tool-result' }>): Holder[] {
  const { output } = part;
  return [part, output, ...(output.type === 'content' ? output.value : [])];
}

/** All of a message that has settings. */
function holdersIn(message: Message): Holder[] {
  if (message.role === 'system') return [message];
  return [message, ...message.content.flatMap((part) => (part.type === 'tool-result' ? partsIn(part) : [part]))];
}

/** @param kept by the name of a setting: `openai.user` */
function filtered<T extends Holder>(holder: T, kept: (name: string) => boolean): T {
  if (holder.providerOptions === undefined) return holder;
  const { providerOptions, ...rest } = holder;
  const left = Object.entries(providerOptions).flatMap(([provider, set]) => {
    const some = Object.entries(set).filter(([name]) => kept(`${provider}.${name}`));
    return some.length === 0 ? [] : [[provider, Object.fromEntries(some)] as const];
  });
  return (left.length === 0 ? rest : { ...rest, providerOptions: Object.fromEntries(left) }) as T;
}

/** Whether tokens may be written to a provider’s cache for longer than it does by itself, which costs more. */
export function writesCache(settings: Settings | undefined, permitted: readonly string[]): boolean {
  return [...namesIn(settings), ...permitted].some((one) => /\.cache(?:Control|Point)$/.test(one));
}
