/** Durable stops, as the store keeps them and the record names them. */

export type QuarantineKind = 'agent' | 'version' | 'tenant' | 'tool';

/**
 * A durable stop. `name` is a version's digest, a tenant's name, or `tenant/name` of an agent or a tool. `tenant`: it stands there
 * alone; absent, it stops a version in every tenant.
 */
export interface Quarantine {
  readonly kind: QuarantineKind;
  readonly tenant?: string;
  readonly name: string;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}
