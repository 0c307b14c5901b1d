/**
 * Secrets: read at the moment a tool asks for one, and given to that tool alone. A tool's answers, and the parts of its streams, are searched
 * for every value that was given out, so that a careless tool does not write one into a journal.
 */
import { readFile } from 'node:fs/promises';
import { CorralError } from '@corral/protocol/errors';
import type { Tool, ToolResult } from '@corral/protocol/ports/tool';
import { CleanParts } from './secret-parts.ts';
import type { SecretRef } from './schema.ts';
import type { Fault } from './whole.ts';

/** Shorter values are not searched for: they occur in too many places by chance. */
const SHORTEST = 4;

export class Vault {
  readonly #refs: Readonly<Record<string, SecretRef>>;
  readonly #env: Readonly<Record<string, string | undefined>>;
  /** Values that were given out, with the name that replaces each. */
  readonly #given = new Map<string, string>();
  readonly #known = new Map<string, string>();

  constructor(refs: Readonly<Record<string, SecretRef>>, env: Readonly<Record<string, string | undefined>>) {
    this.#refs = refs;
    this.#env = env;
  }

  /** @throws CORRAL_SECRET_MISSING */
  readonly read = async (name: string): Promise<string> => {
    const value = await this.#valueOf(name);
    if (value.length >= SHORTEST) {
      this.#known.set(value, name);
      this.#given.set(value, name);
      this.#given.set(JSON.stringify(value).slice(1, -1), name);
    }
    return value;
  };

  async #valueOf(name: string): Promise<string> {
    const ref = Object.hasOwn(this.#refs, name) ? this.#refs[name] : undefined;
    if (ref === undefined) throw new CorralError('CORRAL_SECRET_MISSING', `The configuration names no secret ${name}.`);
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

  /** Reads all secrets that can be read now, for searches in texts. One that cannot be is known once it was given out. */
  async learn(): Promise<void> {
    const read = async (name: string) => {
      const value = await this.#valueOf(name).catch(() => '');
      if (value.length >= SHORTEST) this.#known.set(value, name);
    };
    await Promise.all(Object.keys(this.#refs).map(read));
  }

  /** Values with their names: all that `learn` found, and all that were given out since. */
  get known(): ReadonlyMap<string, string> {
    return this.#known;
  }

  /** Secrets whose variable or file is missing now. */
  async missing(): Promise<Fault[]> {
    const faults = await Promise.all(
      Object.keys(this.#refs).map((name) =>
        this.#valueOf(name).then(
          () => [],
          (error: unknown) => [{ path: ['secrets', name], message: error instanceof Error ? error.message : String(error) }],
        ),
      ),
    );
    return faults.flat();
  }

  /** The text with every secret that was given out replaced by its name. */
  redact(text: string): string {
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
        return this.#given.size === 0 ? result : this.#clean(result);
      },
      ...(tool.close === undefined ? {} : { close: () => (tool.close as NonNullable<Tool['close']>)() }),
    };
  }

  #clean(result: ToolResult): ToolResult {
    if (result.kind !== 'ok') {
      const { detail } = result;
      return { ...result, message: this.redact(result.message), ...(detail === undefined ? {} : { detail: this.redact(detail) }) };
    }
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
