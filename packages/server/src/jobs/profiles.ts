/** Profiles of agents as the host uses them: in memory, because they are needed at every admission and spawn. */
import type { Profile } from '@corral/policy/detection/profile';
import type { ProfileRecord, ProfileTable } from '@corral/protocol/ports/front';

export type ProfileRow = Omit<ProfileRecord, 'profile'> & { readonly profile: Profile };

export class ProfileStore {
  readonly #table: ProfileTable;
  readonly #current = new Map<string, string | undefined>();
  readonly #profiles = new Map<string, Profile>();

  constructor(table: ProfileTable) {
    this.#table = table;
  }

  readonly current = (tenant: string, agent: string): string | undefined => {
    const key = `${tenant} ${agent}`;
    if (!this.#current.has(key)) this.#current.set(key, this.#table.latest(tenant, agent)?.id);
    return this.#current.get(key);
  };

  /** Gives the same object to all runs that are judged by the profile. */
  readonly get = (id: string): Profile | undefined => this.#profiles.get(id) ?? this.find(id)?.profile;

  show(tenant: string, agent: string): ProfileRow | undefined {
    return this.#read(this.#table.latest(tenant, agent));
  }

  find(id: string): ProfileRow | undefined {
    return this.#read(this.#table.find(id));
  }

  keep(row: ProfileRow): void {
    this.#table.keep({ ...row, profile: JSON.stringify(row.profile) });
    this.#forget();
  }

  /** @returns how many were deleted */
  delete(tenant: string, agent: string): number {
    const deleted = this.#table.delete(tenant, agent);
    this.#forget();
    return deleted;
  }

  #forget(): void {
    this.#current.clear();
    this.#profiles.clear();
  }

  #read(row: ProfileRecord | undefined): ProfileRow | undefined {
    if (row === undefined) return undefined;
    const profile = this.#profiles.get(row.id) ?? (JSON.parse(row.profile) as Profile);
    this.#profiles.set(row.id, profile);
    return { ...row, profile };
  }
}
