/**
 * The contract of requests to a model. Agents write requests, and the host and the packages of providers walk them on the host's one
 * loop: what is counted and measured here is checked before any schema looks at it, and the first part that does not fit ends the check.
 */
import type * as z from 'zod';
import { MACHINE } from '@corral/protocol/limits';
import { checkedOf, contractOf, type Checked, type Contract } from '@corral/protocol/ports/contract';
import { GivenPart, ModelRequest, MOST_TOOLS, PARTS, SaidMessage, sentOf, userSays, type Message } from './request.ts';

type Refusal = Extract<Checked, { readonly ok: false }>;
type Fields = Readonly<Record<string, unknown>>;

const { model_messages, model_parts, model_schema_bytes, model_schema_depth, model_schema_refs } = MACHINE;
const refused = (where: string, message: string): Refusal => ({ ok: false, where, message });
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});

/** All members but the prompt, whose messages are held against their schema one by one. */
const Rest = ModelRequest.omit({ prompt: true });

export const requestContract: Contract = {
  get schema() {
    return whole.schema;
  },
  mayHang: false,
  check(value) {
    if (!isObject(value)) return whole.check(value);
    const { prompt, ...rest } = value;
    const wrong = tooMuch(prompt) ?? wrongSchemas(rest);
    if (wrong !== undefined) return wrong;
    const others = checkedOf(Rest.safeParse(rest));
    if (!others.ok) return others;
    const messages = promptOf(prompt);
    return Array.isArray(messages) ? { ok: true, value: { ...(others.value as object), prompt: messages } } : messages;
  },
};
const whole = contractOf(ModelRequest);

function promptOf(prompt: unknown): Message[] | Refusal {
  if (typeof prompt === 'string') return userSays(prompt);
  if (!Array.isArray(prompt) || prompt.length === 0) return refused('prompt', 'it is a text, or a list of messages with at least one');
  const said: z.output<typeof SaidMessage>[] = [];
  for (const [i, message] of prompt.entries()) {
    const checked = messageOf(message);
    if (!checked.ok) return refused(['prompt', i, checked.where].filter((one) => one !== '').join('.'), checked.message);
    said.push(checked.value as z.output<typeof SaidMessage>);
  }
  return sentOf(said);
}

/** A message, its parts one by one: a schema would list what is wrong with each of thousands. */
function messageOf(message: unknown): Checked {
  const { role, content } = fieldsOf(message);
  const Part = typeof role === 'string' && Object.hasOwn(PARTS, role) ? PARTS[role] : undefined;
  if (Part === undefined || !Array.isArray(content)) return checkedOf(SaidMessage.safeParse(message));
  const head = checkedOf(SaidMessage.safeParse({ ...fieldsOf(message), content: [] }));
  if (!head.ok) return head;
  const parts = eachOf(content, 'content', (part) => partOf(part, Part));
  return parts.ok ? { ok: true, value: { ...(head.value as object), content: parts.value } } : parts;
}

function partOf(part: unknown, Part: z.ZodType): Checked {
  const { type, output } = fieldsOf(part);
  const { type: kind, value } = fieldsOf(output);
  if (type !== 'tool-result' || kind !== 'content' || !Array.isArray(value)) return checkedOf(Part.safeParse(part));
  const head = checkedOf(Part.safeParse({ ...fieldsOf(part), output: { ...fieldsOf(output), value: [] } }));
  if (!head.ok) return head;
  const values = eachOf(value, 'output.value', (one) => checkedOf(GivenPart.safeParse(one)));
  if (!values.ok) return values;
  const said = head.value as { readonly output: object };
  return { ok: true, value: { ...said, output: { ...said.output, value: values.value } } };
}

function eachOf(list: readonly unknown[], where: string, check: (one: unknown) => Checked): Checked {
  const values: unknown[] = [];
  for (const [i, one] of list.entries()) {
    const checked = check(one);
    if (!checked.ok) return refused([where, i, checked.where].filter((name) => name !== '').join('.'), checked.message);
    values.push(checked.value);
  }
  return { ok: true, value: values };
}

/** More messages or parts than permitted. The parts of a result of content count as well. */
function tooMuch(prompt: unknown): Refusal | undefined {
  if (!Array.isArray(prompt)) return undefined;
  if (prompt.length > model_messages.default)
    return refused('prompt', `it has ${prompt.length} messages, and at most ${model_messages.default} are permitted`);
  let parts = 0;
  for (const message of prompt) {
    const { content } = fieldsOf(message);
    if (!Array.isArray(content)) continue;
    parts += content.length;
    for (const part of content) {
      const { value } = fieldsOf(fieldsOf(part)['output']);
      if (fieldsOf(part)['type'] === 'tool-result' && Array.isArray(value)) parts += value.length;
    }
  }
  if (parts <= model_parts.default) return undefined;
  return refused('prompt', `its messages have ${parts} parts, and at most ${model_parts.default} are permitted`);
}

function wrongSchemas({ tools, responseFormat }: Fields): Refusal | undefined {
  if (Array.isArray(tools) && tools.length > MOST_TOOLS)
    return refused('tools', `there are ${tools.length} functions, and at most ${MOST_TOOLS} are permitted`);
  for (const [i, tool] of (Array.isArray(tools) ? tools : []).entries()) {
    const wrong = wrongSchema(fieldsOf(tool)['inputSchema']);
    if (wrong !== undefined) return refused(`tools.${i}.inputSchema`, wrong);
  }
  const wrong = wrongSchema(fieldsOf(responseFormat)['schema']);
  return wrong === undefined ? undefined : refused('responseFormat.schema', wrong);
}

function wrongSchema(schema: unknown): string | undefined {
  if (!isObject(schema)) return undefined;
  const walk: { value: object; depth: number }[] = [{ value: schema, depth: 1 }];
  let refs = 0;
  for (let at = walk.pop(); at !== undefined; at = walk.pop()) {
    if (at.depth > model_schema_depth.default) return `the schema is nested more than ${model_schema_depth.default} deep`;
    for (const [name, value] of Object.entries(at.value)) {
      if (name === '$ref') {
        refs += 1;
        if (typeof value === 'string' && isOdd(value))
          return 'a $ref of the schema has a %, a ~ or a number that can be written in another way';
      }
      if (isObject(value)) walk.push({ value, depth: at.depth + 1 });
    }
  }
  if (refs > model_schema_refs.default) return `the schema has ${refs} references, and at most ${model_schema_refs.default} are permitted`;
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > model_schema_bytes.default) return `the schema has ${bytes} bytes, and at most ${model_schema_bytes.default} are permitted`;
  return undefined;
}

/**
 * Whether the pointer is one of several texts for the same place. Packages of providers keep what they found by these texts, so that many
 * texts for a large part of a schema would take them a walk through that part each.
 */
const isOdd = (ref: string): boolean =>
  /%|~(?![01])/.test(ref) || ref.split('/').some((name, i) => i > 0 && !Number.isNaN(Number(name)) && String(Number(name)) !== name);
