/**
 * An agent's capabilities as the tools of a framework, with the descriptions and schemas that the host has of them, so that nothing is
 * written twice.
 */
import { DECLARED, type Abi } from '../abi.ts';

/** A capability as a tool, whatever the framework. */
export interface DeclaredTool {
  /** Its alias in `uses`. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /**
   * Calls the capability. A denial or failure is returned as `{ error: { code, message, hint } }`, so that a model can react to it; a call
   * that waits for an approval takes as long as that does. Rejects if `signal` is aborted.
   */
  readonly call: (input: unknown, options?: { readonly signal?: AbortSignal | undefined }) => Promise<unknown>;
}

export interface ToolsOptions {
  /** Aliases; default: all tools that the host describes. Models and mailboxes are none. */
  readonly only?: readonly string[];
}

interface Declared {
  readonly description: string;
  readonly input: Readonly<Record<string, unknown>>;
}
type Described = ((input: unknown, options: object) => Promise<unknown>) & Readonly<Record<symbol, Declared | null | undefined>>;

/**
 * The capabilities that are tools.
 * @throws TypeError if one in `only` is not described: a model, a mailbox, or a capability that came later than the start; RangeError if the
 *   descriptions of all tools in `uses` are too large for the start of a run
 */
export function declaredTools(caps: object, { only }: ToolsOptions = {}): DeclaredTool[] {
  const tools: DeclaredTool[] = [];
  for (const [name, capability] of Object.entries(caps) as [string, Described][]) {
    if (only !== undefined && !only.includes(name)) continue;
    const declared = capability[Symbol.for(DECLARED)];
    if (declared === undefined) continue;
    if (declared === null)
      throw new RangeError(
        `The descriptions of this run’s tools are too large, and that of ${name} was left out. Ask for fewer tools in \`uses\`.`,
      );
    tools.push({
      name,
      description: declared.description,
      inputSchema: declared.input,
      call: (input, options) => answered(capability, input, options),
    });
  }
  const missing = only?.find((name) => !tools.some((tool) => tool.name === name));
  if (missing !== undefined)
    throw new TypeError(`The host describes no tool ${missing}; it describes ${tools.map(({ name }) => name).join(', ') || 'none'}.`);
  return tools;
}

async function answered(capability: Described, input: unknown, { signal }: Parameters<DeclaredTool['call']>[1] = {}): Promise<unknown> {
  try {
    return await capability(input, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const { code, message, hint } = error;
    return { error: { code, message, hint } };
  }
}

/** Whether an error is an answer of the host, and not one of the agent's own code. */
function isRefusal(error: unknown): error is Error & { readonly code: string; readonly hint: string } {
  const { corral } = globalThis as { readonly corral?: Abi };
  return corral !== undefined && error instanceof corral.errorClass('CorralError');
}

/** A tool of the AI SDK, versions 6 and 7, whose own types of it differ. */
export interface AiTool {
  readonly description: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the SDK's type for it is a symbol of the package
  readonly inputSchema: any;
  // oxlint-disable-next-line typescript/no-explicit-any -- arguments are what the model says; the host checks them
  readonly execute: (input: any, options: { readonly abortSignal?: AbortSignal | undefined }) => Promise<any>;
}

/** `tools` of `generateText`, `streamText` and agents of the AI SDK. */
export function aiTools(caps: object, options?: ToolsOptions): Record<string, AiTool> {
  const tools = declaredTools(caps, options).map(({ name, description, inputSchema, call }): [string, AiTool] => [
    name,
    {
      description,
      // The same as `jsonSchema` of the AI SDK makes.
      inputSchema: { [Symbol.for('vercel.ai.schema')]: true, jsonSchema: inputSchema, validate: undefined },
      execute: (input, { abortSignal }) => call(input, { signal: abortSignal }),
    },
  ]);
  return Object.fromEntries(tools);
}

/** A function tool of the OpenAI Agents SDK. */
export interface AgentsTool {
  readonly type: 'function';
  readonly name: string;
  readonly description: string;
  readonly parameters: never;
  readonly strict: false;
  readonly needsApproval: () => Promise<boolean>;
  readonly isEnabled: () => Promise<boolean>;
  readonly invoke: (context: unknown, input: string, details?: { readonly signal?: AbortSignal | undefined }) => Promise<string>;
}

/** `tools` of an `Agent` of the OpenAI Agents SDK. */
export function agentsTools(caps: object, options?: ToolsOptions): AgentsTool[] {
  return declaredTools(caps, options).map(({ name, description, inputSchema, call }) => ({
    type: 'function',
    name,
    description,
    parameters: { additionalProperties: false, required: [], properties: {}, ...inputSchema } as never,
    strict: false,
    // The host asks people, by its policies.
    needsApproval: () => Promise.resolve(false),
    isEnabled: () => Promise.resolve(true),
    invoke: async (_, input, details) => JSON.stringify(await call(JSON.parse(input || '{}'), { signal: details?.signal })),
  }));
}

/**
 * Tools for LangChain and LangGraph: `langchainTools(caps, tool)`, with the function `tool` of `langchain` or `@langchain/core/tools`, which the
 * agent imports.
 */
export function langchainTools<Made>(
  caps: object,
  tool: (run: (input: never, config?: { readonly signal?: AbortSignal }) => Promise<string>, fields: never) => Made,
  options?: ToolsOptions,
): Made[] {
  return declaredTools(caps, options).map(({ name, description, inputSchema, call }) =>
    tool(async (input, config) => JSON.stringify(await call(input, { signal: config?.signal })), {
      name,
      description,
      schema: inputSchema,
    } as never),
  );
}
