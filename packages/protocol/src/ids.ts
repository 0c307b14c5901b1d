/**
 * Identifiers. Every id has its kind as a prefix, so that it can be understood in a log line or an error by itself; and a brand,
 * so that ids of different kinds cannot be confused.
 */
import * as z from 'zod';

/** 32 symbols without the look-alikes i, l, o, u (Crockford's base 32, lower case). */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 12; // 60 bits: a collision among a million ids has odds of about one in two million

const idSchema = <P extends string>(prefix: P) =>
  z.templateLiteral([`${prefix}_`, z.string().regex(/^[0-9a-hjkmnp-tv-z]{12}$/)]).brand<P>();

export const RunId = idSchema('run');
export const GrantId = idSchema('grant');
export const CellId = idSchema('cell');
export type RunId = z.infer<typeof RunId>;
export type GrantId = z.infer<typeof GrantId>;
export type CellId = z.infer<typeof CellId>;

/** Names of tenants, agents and tools, given by people: `license-audit`, `zoo/spin`, `fs.read`. */
const name = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[a-z0-9][a-z0-9._/-]*$/, 'lower-case letters, digits and . _ / - only');

export const TenantId = name(64).brand<'tenant'>();
export type TenantId = z.infer<typeof TenantId>;
export const AgentName = name(100).brand<'agent'>();
export type AgentName = z.infer<typeof AgentName>;
/** A service is called like a tool, under the name `service:claims`, and so are a model, `model:default`, and what is asked by HTTP, `http:crm`. */
export const ToolName = z
  .string()
  .max(100)
  .regex(/^(?:service:|model:|http:)?[a-z0-9][a-z0-9._/-]*$/, 'lower-case letters, digits and . _ / - only')
  .brand<'tool'>();
export type ToolName = z.infer<typeof ToolName>;
export const ModelName = name(80).brand<'model'>();
export type ModelName = z.infer<typeof ModelName>;
export const HttpName = name(80).brand<'http'>();
export type HttpName = z.infer<typeof HttpName>;

const MODEL = 'model:';
const TOOL = 'tool:';
/** The name of a model in the target `model:default`; undefined for everything else that can be called. */
export const modelIn = (tool: string): string | undefined => (tool.startsWith(MODEL) ? tool.slice(MODEL.length) : undefined);
/** Whether a target is one of HTTP: `http:crm`. */
export const isHttp = (tool: string): boolean => tool.startsWith('http:');
/** A callable target for people and policies: `tool:fs.read`, `service:claims`, `model:default`, `http:crm`. */
export const targetText = (tool: string): string => (/^(?:service|model|http):/.test(tool) ? tool : `tool:${tool}`);
const SOURCE = /^(?:mcp|kv|files|memory):/;
/** The name of an MCP server or a memory whose tools are asked for together, as `mcp:crm` or `kv:notes`; undefined for everything else. */
export const sourceIn = (text: string): string | undefined => (SOURCE.test(text) ? text.slice(text.indexOf(':') + 1) : undefined);
/** The name by which the host knows what an agent asks for as `tool:fs.read`, `service:claims`, `model:default` or `http:crm`. */
export const targetIn = (text: string): string => (text.startsWith(TOOL) ? text.slice(TOOL.length) : text);

/** A principal: `user:ana`, `run:run_…`, `local`. Set from the channel, never from a payload. */
/** Longest name of a principal: an issuer's realm, and a subject of 255 characters. */
export const PRINCIPAL_CHARS = 512;
/** A person: a token, a user of the host's own socket, a subject of an issuer, or `local` for work without a host. */
export const PERSON = /^(?:local|token:.+|user:.+|service:.+|oidc:[^/]+\/.+)$/;
export const PERSON_HINT =
  'not a person: write token:NAME, user:NAME (on this machine) or oidc:ISSUER/SUBJECT; `corral whoami` says who you are';
export const PrincipalId = z.string().min(1).max(PRINCIPAL_CHARS).brand<'principal'>();
export type PrincipalId = z.infer<typeof PrincipalId>;

/** Content address: `sha256:` and 64 hex digits. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .brand<'digest'>();
export type Digest = z.infer<typeof Digest>;

type Prefix = 'run' | 'grant' | 'cell';
interface IdByPrefix {
  run: RunId;
  grant: GrantId;
  cell: CellId;
}

/**
 * Makes a new id from random bytes.
 * @param random returns `n` random bytes; passed in, so that the simulator repeats its ids from a seed
 */
export function newId<P extends Prefix>(prefix: P, random: (n: number) => Uint8Array): IdByPrefix[P] {
  const bytes = random(LENGTH);
  let text = `${prefix}_`;
  for (let i = 0; i < LENGTH; i++) text += ALPHABET[(bytes[i] as number) & 31];
  return text as IdByPrefix[P];
}
