/**
 * Secrets: read at the moment a tool asks for one, and given to that tool alone. A tool's answers, and the parts of its streams, are searched
 * for every value that was given out, also in encodings (secret-forms.ts), so that a careless tool does not write one into a journal.
 */
import { readFile } from 'node:fs/promises';
import { CorralError } from '@corral/protocol/errors';
import type { InputRequest } from '@corral/protocol/model/question';
import type { Tool, ToolAnswer } from '@corral/protocol/ports/tool';
import { formsOf } from './secret-forms.ts';
import { FirstLook } from './secret-look.ts';
import { CleanParts } from './secret-parts.ts';
import { accountFor, type Caller, type RolesOf } from './secret-callers.ts';
import { accountOf, refsOf, type SecretRef, type SecretsConfig } from './secrets-schema.ts';
import type { Fault } from './whole.ts';

/** Shorter values are not searched for: they occur in too many places by chance. */
const SHORTEST = 4;
/** Values of one login that are searched for. Its tokens are renewed again and again; those of before are good no more. */
const HELD = 8;

/** The record of accounts that outlives a configuration: use, and revocation by people. */
export interface AccountRecord {
  /** A sentence on who revoked an account; undefined if nobody did. */
  revoked(account: string): string | undefined;
  used(account: string, caller: Caller | undefined): void;
}

/** A value, and the credential alone where the value is that of a header with its scheme (RFC 9110, 11.4): `Bearer abc`. */
function partsOf(value: string): readonly string[] {
  const [, credential] = /^[A-Za-z][A-Za-z0-9-]{0,31} +(\S{8,})$/.exec(value) ?? [];
  return credential === undefined ? [value] : [value, credential];
}

export interface VaultOptions {
  readonly rolesOf?: RolesOf;
  readonly accounts?: AccountRecord | undefined;
  readonly now?: () => number;
}

export class Vault {
  readonly #refs: SecretsConfig;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #rolesOf: RolesOf;
  readonly #accounts: AccountRecord | undefined;
  readonly #now: () => number;
  /** Forms of values that were given out, with the name that replaces each. */
  readonly #given = new Map<string, string>();
  /** Looks for the same forms. */
  #look = new FirstLook([]);
  readonly #known = new Map<string, string>();
  /** Values of logins, by account, the latest last. */
  readonly #held = new Map<string, readonly string[]>();

  constructor(refs: SecretsConfig, env: Readonly<Record<string, string | undefined>>, options: VaultOptions = {}) {
    this.#refs = refs;
    this.#env = env;
    this.#rolesOf = options.rolesOf ?? (() => []);
    this.#accounts = options.accounts;
    this.#now = options.now ?? (() => Date.now());
  }

  /**
   * @param caller for whom; undefined: the host itself
   * @throws CORRAL_SECRET_MISSING, CORRAL_SECRET_DENIED
   */
  readonly read = async (name: string, caller?: Caller): Promise<string> => {
    const ref = this.#refOf(name, caller);
    const value = await this.#valueOf(name, ref);
    this.#know(value, name);
    if (value.length >= SHORTEST && !this.#given.has(value)) this.#add(value, name);
    this.#accounts?.used(accountOf(name, ref), caller);
    return value;
  };

  /** The account that a caller gets. It is looked up at each use, so that a revocation holds from the next one. */
  #refOf(name: string, caller: Caller | undefined): SecretRef {
    const said = Object.hasOwn(this.#refs, name) ? this.#refs[name] : undefined;
    if (said === undefined) throw new CorralError('CORRAL_SECRET_MISSING', `The configuration names no secret ${name}.`);
    const ref = accountFor(refsOf(said), caller, this.#rolesOf);
    const who = caller === undefined ? 'code that no agent has called' : `the agent ${caller.agent} that acts for ${caller.person}`;
    if (ref === undefined) throw new CorralError('CORRAL_SECRET_DENIED', `The secret ${name} is not for ${who}.`);
    if (ref.expires !== undefined && this.#now() >= Date.parse(ref.expires))
      throw new CorralError('CORRAL_SECRET_DENIED', `The secret ${name} for ${who} has expired on ${ref.expires}.`);
    const revoked = this.#accounts?.revoked(accountOf(name, ref));
    if (revoked !== undefined) throw new CorralError('CORRAL_SECRET_DENIED', `The secret ${name} for ${who} was revoked ${revoked}.`);
    return ref;
  }

  #know(value: string, name: string): void {
    for (const part of partsOf(value)) if (part.length >= SHORTEST) this.#known.set(part, name);
  }

  /** Takes these values for secrets of a login, besides the latest ones of before. */
  hold(account: string, values: readonly string[]): void {
    const before = this.#held.get(account) ?? [];
    const fresh = values.filter((value) => value.length >= SHORTEST && !before.includes(value));
    if (fresh.length === 0) return;
    const all = [...before, ...fresh];
    const gone = all.splice(0, Math.max(0, all.length - HELD));
    this.#held.set(account, all);
    for (const part of gone.flatMap((value) => partsOf(value))) {
      this.#known.delete(part);
      for (const form of formsOf(part)) this.#given.delete(form);
    }
    for (const value of fresh) {
      this.#know(value, account);
      this.#add(value, account);
    }
  }

  /** From now on its forms are searched for. Longer ones come first, those of other secrets included. */
  #add(value: string, name: string): void {
    const forms = partsOf(value).flatMap((part) => formsOf(part));
    const all = [...this.#given, ...forms.map((form) => [form, name] as const)].sort(([a], [b]) => b.length - a.length);
    this.#given.clear();
    for (const [form, of] of all) this.#given.set(form, of);
    this.#look = new FirstLook([...this.#given.keys()]);
  }

  async #valueOf(name: string, ref: SecretRef): Promise<string> {
    let value: string | undefined;
    if ('env' in ref) value = this.#env[ref.env];
    else
      value = await readFile(ref.file, 'utf8')
        .then((text) => text.trimEnd())
        .catch(() => undefined);
    if (value === undefined || value === '') {
      throw new CorralError(
        'CORRAL_SECRET_MISSING',
        'env' in ref
          ? `The secret ${name} refers to $${ref.env}, which is not set.`
          : `The secret ${name} refers to ${ref.file}, which cannot be read.`,
      );
    }
    return value;
  }

  get #all(): readonly { readonly name: string; readonly ref: SecretRef }[] {
    return Object.entries(this.#refs).flatMap(([name, said]) => refsOf(said).map((ref) => ({ name, ref })));
  }

  /** Reads all secrets that can be read now, for searches in texts. One that cannot be is known once it was given out. */
  async learn(): Promise<void> {
    const read = async ({ name, ref }: { readonly name: string; readonly ref: SecretRef }) => {
      const value = await this.#valueOf(name, ref).catch(() => '');
      this.#know(value, name);
    };
    await Promise.all(this.#all.map(read));
  }

  /** Every account, and whether its value is there now. */
  async accounts(): Promise<{ readonly name: string; readonly account: string; readonly ref: SecretRef; readonly isThere: boolean }[]> {
    return Promise.all(
      this.#all.map(async ({ name, ref }) => {
        const isThere = await this.#valueOf(name, ref).then(
          () => true,
          () => false,
        );
        return { name, account: accountOf(name, ref), ref, isThere };
      }),
    );
  }

  /** Values with their names: all that `learn` found, and all that were given out since. */
  get known(): ReadonlyMap<string, string> {
    return this.#known;
  }

  /** Secrets whose variable or file is missing now. */
  async missing(): Promise<Fault[]> {
    const faults = await Promise.all(
      this.#all.map(({ name, ref }) =>
        this.#valueOf(name, ref).then(
          () => [],
          (error: unknown) => [{ path: ['secrets', name], message: error instanceof Error ? error.message : String(error) }],
        ),
      ),
    );
    return faults.flat();
  }

  /** The text with every secret that was given out replaced by its name. */
  redact(text: string): string {
    if (!this.#look.mayHold(text)) return text;
    let clean = text;
    for (const [value, name] of this.#given) if (clean.includes(value)) clean = clean.replaceAll(value, `[secret:${name}]`);
    return clean;
  }

  /** The tool, with its answers searched for secrets. */
  guard(tool: Tool): Tool {
    return {
      ...tool,
      invoke: async (call) => {
        const parts = call.part === undefined ? undefined : new CleanParts(call.part, this.#given, (text) => this.redact(text));
        const result = await tool.invoke(parts === undefined ? call : { ...call, part: parts.take });
        parts?.end();
        return this.#clean(result);
      },
      ...(tool.close === undefined ? {} : { close: () => (tool.close as NonNullable<Tool['close']>)() }),
    };
  }

  #clean(result: ToolAnswer): ToolAnswer {
    if (result.kind === 'input_required') {
      const { message, request } = result;
      return { ...result, message: this.redact(message), request: JSON.parse(this.redact(JSON.stringify(request))) as InputRequest };
    }
    if (result.kind !== 'ok') {
      const { detail } = result;
      return { ...result, message: this.redact(result.message), ...(detail === undefined ? {} : { detail: this.redact(detail) }) };
    }
    if (!this.#look.mayBeIn(result.value)) return result;
    let text: string | undefined;
    try {
      text = JSON.stringify(result.value);
    } catch {
      // The result cannot be serialised as JSON. The broker refuses it with a reason.
      return result;
    }
    if (text === undefined) return result;
    const clean = this.redact(text);
    return clean === text ? result : { ...result, value: JSON.parse(clean) };
  }
}
