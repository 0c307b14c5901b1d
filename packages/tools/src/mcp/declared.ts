/**
 * Reads what an MCP server says of its tools within bounds, makes declarations of it that are pinned, and tools of the host from those. Names,
 * descriptions and annotations are claims of the server. They decide about nothing unless the configuration says that they are to be
 * believed.
 */
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { ADMISSION } from '@corral/protocol/limits';
import type { Declaration } from '@corral/protocol/ports/pins';
import type { Contract, JsonSchema } from '@corral/protocol/ports/contract';
import type { Returns, ToolAnnotations } from '@corral/protocol/ports/tool';
import { CAUTIOUS } from '../define.ts';
import { contractBy } from '../host/contracts.ts';
import { resolveReturns, type Resolved } from '../returned-fields.ts';
import { toolNameOf } from './names.ts';

/** Longest description that is taken; the rest is left out, since it goes into prompts. */
const DESCRIPTION_CHARS = 4_096;
/** Most tools of one server. */
const TOOLS = 512;

/** Annotations that the configuration gives a tool, instead of its server. */
export type Said = Partial<Pick<ToolAnnotations, 'readOnly' | 'idempotent' | 'destructive' | 'openWorld' | 'repeatable'>> & {
  readonly returns?: Returns;
};

export interface Believing {
  /** The annotations of the server are believed. */
  readonly trusted: boolean;
  /** By the server's name of a tool; `*`: every tool. */
  readonly said: Readonly<Record<string, Said>>;
  /** The server's names of the tools that are offered; undefined: all. */
  readonly only: readonly string[] | undefined;
}

/** Members of a tool that are pinned. The others are hints for people, or new to this host. */
const MEMBERS = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations', 'execution'] as const;

/** Requests that a server answers besides `tools/call`, as tools. */
export const ASIDE = ['resources/list', 'resources/templates/list', 'resources/read', 'prompts/list', 'prompts/get'] as const;
export type Aside = (typeof ASIDE)[number];

/**
 * @param tools as the server listed them
 * @param asides requests that it says to answer besides
 * @returns declarations, and why a tool has none
 */
export function declarationsOf(
  server: string,
  tools: readonly unknown[],
  asides: readonly Aside[],
  only: readonly string[] | undefined,
): { readonly declarations: Declaration[]; readonly notes: string[] } {
  const notes: string[] = [];
  const declarations = new Map<string, Declaration>();
  for (const aside of asides) {
    const name = `${server}.${aside.replaceAll('/', '.')}`;
    declarations.set(name, { name, says: { aside } });
  }
  if (tools.length > TOOLS) notes.push(`${server} lists ${tools.length} tools; the first ${TOOLS} are offered`);
  for (const one of tools.slice(0, TOOLS)) {
    const said = one as Readonly<Record<string, Json>>;
    const own = typeof said['name'] === 'string' ? said['name'] : '';
    if (only !== undefined && !only.includes(own)) continue;
    const name = toolNameOf(server, own);
    const shown = JSON.stringify(own.slice(0, 100));
    if (name === undefined) notes.push(`the tool ${shown} has a name that no tool of this host can have, and is not offered`);
    else if (declarations.has(name)) notes.push(`the tool ${shown} would be ${name} as another one of that server, and is not offered`);
    else {
      const says = Object.fromEntries(MEMBERS.flatMap((member) => (said[member] === undefined ? [] : [[member, said[member]]])));
      const fault = faultOf(says);
      if (fault === undefined) declarations.set(name, { name, says });
      else notes.push(`the tool ${shown} is not offered: ${fault}`);
    }
  }
  return { declarations: [...declarations.values()], notes };
}

function faultOf(says: Readonly<Record<string, Json>>): string | undefined {
  const most = 2 * ADMISSION.schema_bytes.max;
  if (isDeeperThan(says, 2 * ADMISSION.schema_depth.max) || JSON.stringify(says).length > most)
    return 'what its server says of it is too large';
  try {
    contractBy(says['inputSchema'] ?? ANY_OBJECT);
    return undefined;
  } catch (error) {
    return `its input schema cannot be used: ${error instanceof Error ? error.message : 'unknown'}`;
  }
}

const ANY_OBJECT = { type: 'object' };

export interface Described {
  /** The server's own name of it; undefined: the request `aside`. */
  readonly own: string | undefined;
  readonly aside: Aside | undefined;
  readonly description: string;
  readonly input: Contract;
  readonly output: Contract;
  /** Its answer is the structured content, of the schema that the server declares. */
  readonly structured: boolean;
  readonly annotations: ToolAnnotations;
  /** The configuration's word about who writes its answers, held against its schema. */
  readonly returned: Resolved;
}

export function describedBy(server: string, { says }: Declaration, believing: Believing): Described {
  const { aside, name, title, description, inputSchema, outputSchema, annotations } = says as Readonly<Record<string, Json>>;
  if (typeof aside === 'string') return asideBy(server, aside as Aside, believing);
  const output = outputOf(outputSchema);
  const text = typeof description === 'string' && description !== '' ? description : typeof title === 'string' ? title : '';
  return {
    own: name as string,
    aside: undefined,
    description: text.length > DESCRIPTION_CHARS ? `${text.slice(0, DESCRIPTION_CHARS - 1)}…` : text,
    input: contractBy(inputSchema ?? ANY_OBJECT),
    output: output ?? ANSWER,
    structured: output !== undefined,
    ...annotationsOf(name as string, annotations, believing, output ?? ANSWER),
  };
}

/** The contract of structured content; undefined if there is none, or it cannot be checked here. */
function outputOf(schema: Json | undefined): Contract | undefined {
  if (schema === undefined) return undefined;
  try {
    return contractBy(schema);
  } catch {
    return undefined;
  }
}

/**
 * MCP's hints say how harmless a tool is, in the words of whoever wrote it; so a hint counts only for a trusted server, and then no more
 * than it says: a tool that is left out of its hints is taken to be destructive and open, as in MCP.
 */
function annotationsOf(
  name: string,
  claims: Json | undefined,
  { trusted, said }: Believing,
  output: Contract,
): Pick<Described, 'annotations' | 'returned'> {
  const hints = (typeof claims === 'object' && claims !== null ? claims : {}) as Readonly<Record<string, Json>>;
  const readOnly = hints['readOnlyHint'] === true;
  const believed: Said = trusted
    ? {
        readOnly,
        idempotent: readOnly || hints['idempotentHint'] === true,
        destructive: !readOnly && hints['destructiveHint'] !== false,
        openWorld: hints['openWorldHint'] !== false,
      }
    : {};
  return withReturned({ ...believed, ...said['*'], ...said[name] }, output);
}

function withReturned({ returns = 'untrusted', ...said }: Said, { schema }: Contract): Pick<Described, 'annotations' | 'returned'> {
  const returned = resolveReturns(returns, () => schema);
  const { trusted_fields } = returned;
  const fields = trusted_fields === undefined ? {} : { trusted_fields };
  return { annotations: { ...CAUTIOUS, ...said, returns: returned.returns, ...fields }, returned };
}

const ASIDES: Readonly<Record<Aside, { readonly description: string; readonly input: JsonSchema }>> = {
  'resources/list': { description: 'Lists the resources of the server: names, descriptions and addresses (`uri`).', input: ANY_OBJECT },
  'resources/templates/list': { description: 'Lists patterns of addresses of resources.', input: ANY_OBJECT },
  'resources/read': {
    description: 'Reads the contents of a resource.',
    input: { type: 'object', properties: { uri: { type: 'string', maxLength: 8_192 } }, required: ['uri'], additionalProperties: false },
  },
  'prompts/list': { description: 'Lists the prompts of the server, and their arguments.', input: ANY_OBJECT },
  'prompts/get': {
    description: 'Gives the messages of a prompt.',
    input: {
      type: 'object',
      properties: { name: { type: 'string' }, arguments: { type: 'object', additionalProperties: { type: 'string' } } },
      required: ['name'],
      additionalProperties: false,
    },
  },
};

function asideBy(server: string, aside: Aside, { trusted, said }: Believing): Described {
  const { description, input } = ASIDES[aside];
  const output = contractBy(ANY_OBJECT);
  // To read is what these requests are for; that a server does no more than that is its word.
  const believed: Said = { destructive: false, ...(trusted ? { readOnly: true, idempotent: true } : {}), ...said['*'], ...said[aside] };
  return {
    own: undefined,
    aside,
    description: `${description} Of the MCP server ${server}.`,
    input: contractBy(input),
    output,
    structured: false,
    ...withReturned(believed, output),
  };
}

/** The answer of a tool that declares no schema: the content as the server gave it. */
const ANSWER = contractBy({
  type: 'object',
  properties: { content: { type: 'array', items: { type: 'object' } }, structuredContent: {} },
  required: ['content'],
});
