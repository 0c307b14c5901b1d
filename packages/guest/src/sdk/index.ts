/** The SDK that agents import. Everything else that an agent needs is in the context that its `run` receives. */
import type { Abi } from '../abi.ts';
import { checkFields } from './fields.ts';
import { AGENT, type AgentDefinition, type AgentOptions, type InputOf, type Schema, type SentTo, type Uses } from './types.ts';

export { aiModel, aiProvider, type AiModel, type AiModelOptions } from './ai.ts';
export {
  agentsTools,
  aiTools,
  declaredTools,
  langchainTools,
  type AgentsTool,
  type AiTool,
  type DeclaredTool,
  type ToolsOptions,
} from './tools.ts';
export type * from './http.ts';
export type * from './memory.ts';
export type * from './model.ts';
export type * from './types.ts';
export * from './service.ts';

/** A record, so that the compiler names a field that is missing here. */
const OF_AGENT = {
  name: true,
  purpose: true,
  input: true,
  output: true,
  uses: true,
  spawns: true,
  code: true,
  services: true,
  ceilings: true,
  budget: true,
  onUnknown: true,
  run: true,
} satisfies Record<keyof AgentOptions, true>;

/** Defines an agent. Its code runs only when a host starts a run of it. The host checks the definition when it is deployed. */
export function defineAgent<const U extends Uses, In extends Schema = Schema, Out extends Schema = Schema>(
  options: AgentOptions<In, Out, U>,
): AgentDefinition<SentTo<In>, InputOf<Out>> {
  checkFields('defineAgent', options, OF_AGENT);
  return {
    [AGENT]: options,
    name: options.name,
    purpose: options.purpose ?? '',
    input: options.input,
    output: options.output,
    run: (context) => options.run(context),
  };
}

interface GuestError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly callId: number | undefined;
}
type GuestErrorClass = abstract new () => GuestError;

const abi = /* @__PURE__ */ (() => (globalThis as { corral?: Abi }).corral)();
const errorClass = (name: string): GuestErrorClass => abi?.errorClass(name) as unknown as GuestErrorClass;

/** Classes of the errors that calls reject with. Each error has a `code` from the table of errors (docs/reference/api.md). */
export const CorralError: GuestErrorClass = /* @__PURE__ */ errorClass('CorralError');
export const Denied: GuestErrorClass = /* @__PURE__ */ errorClass('Denied');
export const ApprovalExpired: GuestErrorClass = /* @__PURE__ */ errorClass('ApprovalExpired');
export const BudgetExceeded: GuestErrorClass = /* @__PURE__ */ errorClass('BudgetExceeded');
export const Revoked: GuestErrorClass = /* @__PURE__ */ errorClass('Revoked');
export const InvalidArguments: GuestErrorClass = /* @__PURE__ */ errorClass('InvalidArguments');
export const ToolFailed: GuestErrorClass = /* @__PURE__ */ errorClass('ToolFailed');
export const TimedOut: GuestErrorClass = /* @__PURE__ */ errorClass('TimedOut');
export const Unknown: GuestErrorClass = /* @__PURE__ */ errorClass('Unknown');
