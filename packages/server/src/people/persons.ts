/**
 * Resolves principals to persons. A token is a person of its own only if the machine's owner made it over the socket or the
 * configuration names it by its id. Any other token counts as its maker, so that nobody becomes several people by making tokens.
 * A name in the configuration is not enough: a token may have had that name before it was written there.
 */
import type { Identity } from '@corral/protocol/model/identity';
import type { People } from '@corral/supervisor';
import { makerOf } from '../jobs/scheduler.ts';
import type { FrontStore, TokenPerson, TokenTable } from '@corral/protocol/ports/front';

export class Persons implements People {
  readonly #tokens: TokenTable;
  readonly #db: FrontStore;
  readonly #named: () => ReadonlySet<string>;

  /** @param named principals that the configuration in force names */
  constructor(tokens: TokenTable, db: FrontStore, named: () => ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#db = db;
    this.#named = named;
  }

  readonly identity = (principal: string): Identity | undefined => {
    const maker = this.#makerOf(principal);
    if (maker !== undefined) return { made_by: maker, person: this.#personOf(maker) };
    const token = this.#tokens.called(principal)[0];
    return token === undefined ? undefined : { token: token.id, made_by: token.created_by, person: this.#personOf(principal) };
  };

  readonly behind = (principal: string): ReadonlySet<string> => {
    const found = new Set<string>();
    const visit = (one: string) => {
      if (found.has(one)) return;
      found.add(one);
      const maker = this.#makerOf(one);
      if (maker !== undefined) visit(maker);
      // All tokens that ever had the name: a journal may refer to an older one.
      for (const token of this.#tokens.called(one)) {
        found.add(`token:${token.id}`);
        if (token.person !== null) visit(token.person);
        else if (!this.#isVouchedFor(token)) visit(token.created_by);
      }
    };
    visit(principal);
    return found;
  };

  readonly namesOf = (principal: string): readonly string[] => {
    const token = this.#tokens.called(principal)[0];
    if (token === undefined) return [principal];
    return [principal, `token:${token.id}`, ...(token.person === null ? [] : [token.person])];
  };

  /** Whether only the machine's owner may make a token of this name, because the configuration gives that name authority. */
  isReserved(name: string): boolean {
    return this.#named().has(`token:${name}`);
  }

  #personOf(principal: string, depth = 0): string {
    const token = this.#tokens.called(principal)[0];
    if (token === undefined) return principal;
    if (token.person !== null) return token.person;
    // A chain of makers ends, since each token is older than those made with it; but names can be reused, which could form a
    // circle.
    return this.#isVouchedFor(token) || depth > DEEPEST ? principal : this.#personOf(token.created_by, depth + 1);
  }

  #isVouchedFor({ id, created_by }: TokenPerson): boolean {
    return created_by.startsWith('user:') || this.#named().has(`token:${id}`);
  }

  /** The maker of a schedule, also of one that was deleted; undefined if the principal is not a schedule. */
  #makerOf(principal: string): string | undefined {
    if (!principal.startsWith(SCHEDULE)) return undefined;
    const id = principal.slice(SCHEDULE.length);
    return this.#db.schedules.get(id)?.created_by ?? this.#db.meta(makerOf(id));
  }
}

const SCHEDULE = 'schedule:';
const DEEPEST = 64;
