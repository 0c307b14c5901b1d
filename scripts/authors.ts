/**
 * The reference for authors of agents and tools, from the declarations themselves: the members of the SDK's types with their own
 * comments, the globals of each image, and the limits with their defaults.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, type ErrorCode } from '@corral/protocol/errors';
import { ADMISSION, BUDGETS, CEILINGS } from '@corral/protocol/limits';
import { CAUTIOUS } from '@corral/tools/define';
import { table } from './markdown.ts';

const ROOT = join(import.meta.dirname, '..');
const file = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Member {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  readonly about: string;
}
interface Declared {
  readonly about: string;
  readonly members: readonly Member[];
}

/** The text of a comment, on one line. */
const textOf = (comment: string): string =>
  comment
    .replaceAll(/^\s*\/\*\*|\*\/\s*$/g, '')
    .replaceAll(/^\s*\* ?/gm, ' ')
    .replaceAll(/\s+/g, ' ')
    .replace(/\s*@example[\s\S]*$/, '')
    .replaceAll(/\s*@throws /g, ' Throws ')
    .replaceAll(/\s*@param (\w+) /g, ' `$1`: ')
    .trim();

const COMMENT = String.raw`(?:\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?(?:\/\/[^\n]*\n\s*)*`;

/**
 * Reads one interface or class of a source that the formatter has laid out: its members stand two spaces in.
 * @throws Error if a member cannot be read: a reference with a gap is worse than none
 */
export function declared(source: string, name: string): Declared {
  const found = new RegExp(String.raw`(${COMMENT})(?:export )?(?:interface|class) ${name}\b[^;]*?\{\n([\s\S]*?)\n\}`).exec(source);
  if (found === null) throw new Error(`There is no ${name} to describe.`);
  const [, comment = '', body = ''] = found;
  const members: Member[] = [];
  let pending = '';
  let text = '';
  for (const line of `${body}\n`.split('\n')) {
    if (text === '' && /^\s*(?:\/\*\*|\*|\/\/)/.test(line)) {
      if (!line.trim().startsWith('//')) pending += `${line}\n`;
      continue;
    }
    if (line.trim() === '' && text === '') continue;
    text += `${line.trim()} `;
    if (!/^ {2}(?!\s).*[;}]$|^ {2}\}/.test(line) && !(text.startsWith('readonly') && line.endsWith(';') && balanced(text))) continue;
    if (!balanced(text)) continue;
    members.push(memberOf(name, text.trim(), textOf(pending)));
    [pending, text] = ['', ''];
  }
  if (text.trim() !== '' || members.length === 0) throw new Error(`${name} cannot be read: ${text}`);
  return { about: textOf(`/**${comment.split('/**').at(-1)}`), members };
}

function balanced(type: string): boolean {
  const text = type.replaceAll('=>', '');
  return text.match(/[[({<]/g)?.length === text.match(/[\])}>]/g)?.length;
}

function memberOf(of: string, text: string, about: string): Member {
  const [, name = '', optional = '', type = ''] = /^(?:readonly )?('[^']+'|[\w$]*)(\??):\s*([\s\S]*?);$/.exec(text) ?? [];
  if (name !== '') return { name: name.replaceAll("'", ''), optional: optional !== '', type, about };
  // A method, or the call of a function type.
  const [, method, generics = '', rest] = /^([\w$]*)(<.*?>)?(?=\()([\s\S]*);$/.exec(text) ?? [];
  if (method !== undefined && rest !== undefined)
    return { name: method === '' ? '(…)' : method, optional: false, type: `${generics}${rest}`, about };
  if (text.startsWith('constructor'))
    return { name: 'new', optional: false, type: text.slice('constructor'.length).replace(/\) \{(?! readonly)[\s\S]*$/, ')'), about };
  throw new Error(`${of} has a member that cannot be read: ${text}`);
}

const LONGEST = 160;
/** A type as code. */
function code(type: string): string {
  const text = type
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\/\*\*.*?\*\//g, '')
    .trim();
  return `\`${text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text}\``;
}

/** @param partly all members may be left out, whatever the type says */
function described(title: string, source: string, name: string, before = '', partly = false): string {
  const { about, members } = declared(source, name);
  const rows = members
    .filter((member) => !member.name.startsWith('~') && member.name !== '')
    .map((member) => [`\`${member.name}\`${member.optional || partly ? '' : ' *'}`, code(member.type), member.about]);
  return [`## ${title}`, about, ...(before === '' ? [] : [before]), table(['member', 'type', 'about'], rows)]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Names that a file of globals declares, each with its members. */
function globals(source: string): string[][] {
  const names = [...source.matchAll(/^declare (?:const|function|class) (\w+)/gm)].map((match) => match[1] as string);
  return names.map((name) => {
    const body = new RegExp(String.raw`^declare class ${name}\b[^{]*\{\n([\s\S]*?)\n\}`, 'm').exec(source)?.[1] ?? '';
    const members = [...body.matchAll(/^ {2}(?:readonly |static )*(\w+)\??[(<:]/gm)].map((match) => match[1] as string);
    return [
      `\`${name}\``,
      [...new Set(members)]
        .filter((one) => one !== 'constructor')
        .map((one) => `\`${one}\``)
        .join(', '),
    ];
  });
}

const limits = (rows: Readonly<Record<string, { default: number; max: number; about: string }>>) =>
  table(
    ['limit', 'default', 'at most', 'about'],
    Object.entries(rows).map(([name, { default: fallback, max, about }]) => [
      `\`${name}\``,
      fallback.toLocaleString('en'),
      max.toLocaleString('en'),
      about,
    ]),
  );

/** Errors that have a class of their own in the SDK, by class. */
function errors(): string {
  const classes = new Map<string, ErrorCode[]>();
  for (const name of Object.keys(ERRORS) as ErrorCode[]) {
    const row = ERRORS[name];
    if ('class' in row) classes.set(row.class, [...(classes.get(row.class) ?? []), name]);
  }
  return table(
    ['class', 'codes'],
    [...classes].map(([name, codes]) => [`\`${name}\``, codes.map((one) => `\`${one}\``).join(', ')]),
  );
}

const ofMessages = (types: string): string[] => [
  described('Mailboxes', types, 'Mailbox'),
  described('Messages', types, 'Message'),
  described('Options of `request`', types, 'RequestOptions', 'And `caps`, as of `send`.'),
  described('Streams: `messages` and `notices`', types, 'Stream'),
  described('Options of `next`', types, 'WaitOptions'),
  described('Notices', types, 'Notice'),
];

function ofGlobals(source: string): string {
  const [, absent = ''] = /listed; ([^.]*) are absent/.exec(source) ?? [];
  return `## Globals of an isolate\n\nJavaScript’s own globals are there, without ${absent}. \`process\`, \`Buffer\` and \`require\` are not: what an agent does outside is a tool. A \`fetch\` is there if the bundle names it and asks for a model, which answers [the APIs of OpenAI and Anthropic](../guides/openai-sdk.md), or for \`http:NAME\`, by which the host answers for [the origins of its configuration](../guides/http.md). Streams, \`Blob\`, \`File\`, \`FormData\`, \`Headers\`, \`Request\` and \`Response\` are there if the bundle names one of them (image \`web\`); an empty \`process\` and \`setImmediate\` if one of its packages imports a part of Node (image \`node\`). \`Date\`, \`Math.random\` and \`crypto\` are those of the journal, so that a replay does the same.\n\n${table(['global', 'members'], globals(source))}`;
}

/** @param note that says where the page comes from */
export function authors(note: string): string {
  const types = file('packages/guest/src/sdk/types.ts');
  const services = file('packages/guest/src/sdk/service.ts');
  const asTools = file('packages/guest/src/sdk/tools.ts');
  const tools = file('packages/tools/src/define.ts');
  const port = file('packages/protocol/src/ports/tool.ts');
  const declaredGlobals = file('packages/guest/globals.d.ts');
  const parts = [
    `# Reference for authors\n\n${note}\n\nWhat an agent, a service and a tool are written with. Members with a * must be there, or are always there.\nThe guides say how: [an agent with a model](../guides/model.md), [the OpenAI SDK](../guides/openai-sdk.md), [the Anthropic SDK](../guides/anthropic-sdk.md),\n[the OpenAI Agents SDK](../guides/openai-agents.md), [LangGraph](../guides/langgraph.md),\n[LangChain](../guides/langchain.md), [Mastra](../guides/mastra.md), [requests by HTTP](../guides/http.md), [tools out of an OpenAPI document](../guides/openapi.md), [a tool with a secret](../guides/tool-with-a-secret.md), [whose credential it is](../guides/credentials.md), [a policy with an approval](../guides/policy-with-an-approval.md),\n[a test with a fake and with time](../guides/test-with-fakes-and-time.md), [children and budgets](../guides/children-and-budgets.md),\n[a service](../guides/service.md).`,
    described('`defineAgent`', types, 'AgentOptions', 'Import it from `@corral/guest`; a module exports its result as its default.'),
    described('The context of an agent’s `run`', types, 'AgentContext'),
    described('Capabilities', types, 'Capability', 'A member of `caps`. The call itself is `await caps.ALIAS(input, options)`.'),
    described('`CallOptions`', types, 'CallOptions'),
    described('`attenuate`', types, 'Grantable', 'The terms are in [the bus](../bus.md#handing-on-less-than-one-has).'),
    described(
      'Capabilities as tools of a model',
      asTools,
      'DeclaredTool',
      '`declaredTools(caps, { only })` of `@corral/guest` gives one for each tool in `uses`, or for those that `only` names. `aiTools` gives them for the AI SDK, `agentsTools` for the OpenAI Agents SDK, and `langchainTools(caps, tool)` for LangChain.',
    ),
    described('Questions: `ask`', types, 'Ask', 'More in [the bus](../bus.md#asking-the-owner).'),
    described('Handles', types, 'Handle'),
    described('Children: `SpawnOptions`', types, 'SpawnOptions'),
    described(
      'Children: what `spawn` gives',
      types,
      'Child',
      '`ended` is an outcome by its `kind`, with `run` (the id of the child) and `spent` (what it spent).',
    ),
    ...ofMessages(types),
    described(
      '`defineService`',
      services,
      'ServiceOptions',
      'And `name`, `purpose`, `uses`, `spawns`, `services`, `ceilings`, `budget` and `onUnknown`, as of `defineAgent`. Write each handler with `handler({ message, reply }, async (turn) => …)`.',
    ),
    described(
      'The turn of a handler',
      services,
      'Turn',
      'And the members of an agent’s context, without `input`, `mailbox`, `messages`, `notices`, `open` and `checkpoint`.',
    ),
    `## Errors\n\nCalls reject with these classes, which \`@corral/guest\` exports. Each error has \`code\`, \`message\`, \`hint\`, \`retryable\` and \`callId\`.\n\n${errors()}`,
    described(
      '`tool()`',
      tools,
      'ToolSpec',
      'Import it from `corral/config`, in a configuration. Its `run(input, call)` gets what the agent gave, as `input` returns it, and the call.',
    ),
    described(
      'Annotations of a tool',
      port,
      'ToolAnnotations',
      `Left out, an annotation has the more dangerous value: ${Object.entries(CAUTIOUS)
        .map(([name, value]) => `\`${name}: ${typeof value === 'string' ? `'${value}'` : value}\``)
        .join(', ')}.`,
      true,
    ),
    described('The call: the second argument of `run`', port, 'ToolCall'),
    described('The call: secrets', tools, 'Secrets'),
    described('The call: charges', tools, 'Charging'),
    described('`ToolError`', tools, 'ToolError', 'Import it from `corral/config`.'),
    ofGlobals(declaredGlobals),
    `## Ceilings of a run\n\n\`ceilings\` of an agent, of \`corral submit\` or of a tenant replaces the default, within what the host allows.\n\n${limits(CEILINGS)}`,
    `## Budget of a run\n\n${limits(BUDGETS)}`,
    `## Limits of what is submitted\n\n${limits(ADMISSION)}`,
  ];
  return `${parts.join('\n\n')}\n`;
}
