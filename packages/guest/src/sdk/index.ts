/** The SDK that agents import. Everything else an agent needs is in the context its `run` is given. */
import type { Abi } from '../abi.ts';
import { AGENT, type AgentDefinition, type AgentOptions, type Schema, type Uses } from './types.ts';

export type * from './types.ts';
export * from './service.ts';

/** Defines an agent. Nothing runs until a host starts it. */
export function defineAgent<const U extends Uses, In extends Schema = Schema, Out extends Schema = Schema>(
  options: AgentOptions<In, Out, U>,
): AgentDefinition {
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

/** The classes of errors that calls reject with; each carries a `code` of the table in the documentation. */
export const CorralError: GuestErrorClass = /* @__PURE__ */ errorClass('CorralError');
export const Denied: GuestErrorClass = /* @__PURE__ */ errorClass('Denied');
export const ApprovalExpired: GuestErrorClass = /* @__PURE__ */ errorClass('ApprovalExpired');
export const BudgetExceeded: GuestErrorClass = /* @__PURE__ */ errorClass('BudgetExceeded');
export const Revoked: GuestErrorClass = /* @__PURE__ */ errorClass('Revoked');
export const InvalidArguments: GuestErrorClass = /* @__PURE__ */ errorClass('InvalidArguments');
export const ToolFailed: GuestErrorClass = /* @__PURE__ */ errorClass('ToolFailed');
export const TimedOut: GuestErrorClass = /* @__PURE__ */ errorClass('TimedOut');
export const Unknown: GuestErrorClass = /* @__PURE__ */ errorClass('Unknown');
