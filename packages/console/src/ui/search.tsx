/** A field whose text is the `q` of the address. */
import { ask as alter, query } from '../data/address.ts';

/** @param of what is searched, such as `tools` */
export function Search({ of }: { readonly of: string }) {
  return (
    <input
      type="search"
      aria-label={`Search ${of}`}
      placeholder="Search"
      value={query.value.get('q') ?? ''}
      onInput={(event) => alter({ q: event.currentTarget.value })}
    />
  );
}
