/** Entities and their hierarchy, and the conversion between Cedar's JSON values and Corral's. */
import type { CedarJson, EntityJson } from './engine.ts';
import { uidOf, type EntityUid } from './engine.ts';
import { Datetime, Decimal, Duration, IpAddress } from './extension.ts';
import { construct } from './functions.ts';
import { CedarSet, Entity, entityKey, UnsupportedConstruct, type CedarRecord, type Value } from './value.ts';

interface Known {
  readonly attributes: CedarRecord;
  readonly tags: CedarRecord;
  /** Keys of everything it is in, itself included. */
  readonly above: ReadonlySet<string>;
}

/** Attributes and hierarchy of the entities of one question. Immutable. */
export class Entities {
  readonly #known = new Map<string, Known>();

  constructor(entities: readonly EntityJson[]) {
    const parents = new Map<string, string[]>();
    const keyOf = (uid: EntityUid | { __entity: EntityUid }) => {
      const { type, id } = uidOf(uid);
      return entityKey(type, id);
    };
    for (const entity of entities) parents.set(keyOf(entity.uid), entity.parents.map(keyOf));
    for (const entity of entities) {
      const above = new Set([keyOf(entity.uid)]);
      for (const key of above) for (const parent of parents.get(key) ?? []) above.add(parent);
      this.#known.set(keyOf(entity.uid), { attributes: recordFrom(entity.attrs), tags: recordFrom(entity.tags ?? {}), above });
    }
  }

  get(entity: Entity): Known | undefined {
    return this.#known.get(entity.key);
  }

  isIn(entity: Entity, ancestor: Entity): boolean {
    return entity.key === ancestor.key || (this.#known.get(entity.key)?.above.has(ancestor.key) ?? false);
  }
}

function recordFrom(json: Readonly<Record<string, CedarJson>>): CedarRecord {
  const record = Object.create(null) as Record<string, Value>;
  for (const [name, value] of Object.entries(json)) record[name] = valueFrom(value);
  return record;
}

/** @throws UnsupportedConstruct for a value that cannot be represented exactly */
export function valueFrom(json: CedarJson): Value {
  if (typeof json === 'boolean' || typeof json === 'string') return json;
  if (typeof json === 'number') {
    if (Number.isSafeInteger(json)) return json;
    throw new UnsupportedConstruct('a number beyond 2^53');
  }
  if (json === null) throw new UnsupportedConstruct('null');
  if (Array.isArray(json)) return new CedarSet(json.map(valueFrom));
  if (Object.hasOwn(json, '__entity')) {
    const { type, id } = (json as { __entity: EntityUid }).__entity;
    return new Entity(type, id);
  }
  if (Object.hasOwn(json, '__extn')) {
    const call = (json as { __extn: { fn: string; arg?: CedarJson; args?: CedarJson[] } }).__extn;
    return construct(
      call.fn,
      (call.args ?? [call.arg as CedarJson]).map((value) => valueFrom(value)),
    );
  }
  return recordFrom(json as Record<string, CedarJson>);
}

const extension = (fn: string, arg: string): CedarJson => ({ __extn: { fn, arg } });
const ISO_YEARS = [-62_167_219_200_000n, 253_402_300_799_999n] as const;

/** A value in the engine's format. */
export function jsonFrom(value: Value): CedarJson {
  if (typeof value === 'bigint') throw new UnsupportedConstruct('a number beyond 2^53');
  if (typeof value !== 'object') return value;
  if (value instanceof Entity) return { __entity: { type: value.type, id: value.id } };
  if (value instanceof CedarSet) return value.items.map(jsonFrom);
  if (value instanceof Decimal) return extension('decimal', value.toString());
  if (value instanceof IpAddress) return extension('ip', value.toString());
  if (value instanceof Duration) return extension('duration', value.toString());
  if (value instanceof Datetime) {
    if (value.ms >= ISO_YEARS[0] && value.ms <= ISO_YEARS[1]) return extension('datetime', new Date(Number(value.ms)).toISOString());
    return { __extn: { fn: 'offset', args: [extension('datetime', '1970-01-01'), extension('duration', `${value.ms}ms`)] } };
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonFrom(one)]));
}
