/** Permissions of a principal, by the table of roles, and the tenant that a request concerns. */
import { ANY_TENANT, may, OPERATIONS, type Operation, type Principal } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import { didYouMean } from '@corral/protocol/nearest';

export class Access {
  readonly principal: Principal;
  readonly #tenants: () => readonly string[];
  readonly #hasRuns: (tenant: string) => boolean;

  /**
   * @param tenants names of the tenants in the configuration
   * @param hasRuns whether a tenant has runs; they stay when the tenant is removed from the configuration
   */
  constructor(principal: Principal, tenants: () => readonly string[], hasRuns: (tenant: string) => boolean) {
    this.principal = principal;
    this.#tenants = tenants;
    this.#hasRuns = hasRuns;
  }

  /** Refuses a principal who may do this in no tenant, before anything of the request is read. @throws CORRAL_FORBIDDEN */
  role(operation: Operation): void {
    const { tenant } = this.principal;
    if (!may(this.principal, operation, tenant === ANY_TENANT ? undefined : ownTenant(operation, tenant))) throw this.#refusal(operation);
  }

  /**
   * The tenant in which something is to be made or changed.
   * @throws CORRAL_FORBIDDEN, with the same text whether or not there is such a tenant; CORRAL_TENANT_UNKNOWN
   */
  one(operation: Operation, asked: string | undefined): TenantId {
    const { tenant: own } = this.principal;
    if (own !== ANY_TENANT) {
      if (asked !== undefined && asked !== own) throw this.#refusal(operation, ' in the tenant that was named');
      if (!may(this.principal, operation, own)) throw this.#refusal(operation);
      return own as TenantId;
    }
    const tenants = this.#tenants();
    const tenant = asked ?? (tenants.length === 1 ? tenants[0] : tenants.find((name) => name === 'local'));
    if (tenant === undefined) throw new CorralError('CORRAL_TENANT_UNKNOWN', `Say which tenant: ${tenants.join(', ')}.`);
    if (!tenants.includes(tenant)) throw this.#unknown(tenant);
    if (!may(this.principal, operation, tenant)) throw this.#refusal(operation);
    return tenant as TenantId;
  }

  /**
   * The tenants that a list covers: one, or undefined for all.
   * @throws CORRAL_FORBIDDEN; CORRAL_TENANT_UNKNOWN, because a misspelt name must not look like a tenant without anything in it
   */
  some(operation: Operation, asked: string | undefined): TenantId | undefined {
    if (this.principal.tenant === ANY_TENANT && asked === undefined) {
      if (!may(this.principal, operation, undefined)) throw this.#refusal(operation);
      return undefined;
    }
    if (this.principal.tenant === ANY_TENANT) {
      if (!may(this.principal, operation, asked)) throw this.#refusal(operation);
      if (asked !== undefined && !this.#tenants().includes(asked) && !this.#hasRuns(asked)) throw this.#unknown(asked);
      return asked as TenantId;
    }
    return this.one(operation, asked);
  }

  /** Whether the principal may do this to something of a tenant; undefined: of the host. */
  may(operation: Operation, tenant: string | undefined): boolean {
    return may(this.principal, operation, tenant);
  }

  #unknown(tenant: string): CorralError {
    return new CorralError('CORRAL_TENANT_UNKNOWN', `There is no tenant ${tenant}.${didYouMean(tenant, this.#tenants())}`);
  }

  #refusal(operation: Operation, where = ''): CorralError {
    const { id, roles, tenant } = this.principal;
    const { about, roles: allowed, ...row } = OPERATIONS[operation];
    const of = 'host' in row ? ' of the whole host' : where;
    const is =
      roles.length === 0 ? 'it has no role' : `it is ${roles.join(' and ')} of ${tenant === ANY_TENANT ? 'the whole host' : tenant}`;
    return new CorralError('CORRAL_FORBIDDEN', `${id} may not ${about} here: that takes the role ${allowed.join(' or ')}${of}, and ${is}.`);
  }
}

/** An operation on the host as a whole belongs to no tenant. */
const ownTenant = (operation: Operation, tenant: string) => ('host' in OPERATIONS[operation] ? undefined : tenant);
