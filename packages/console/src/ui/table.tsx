/** Tables of numbers that are read as a whole; lists of any length are in `window.tsx`. */
import type { ComponentChildren } from 'preact';

interface TableProps<T> {
  readonly label: string;
  readonly first: string;
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly head: (row: T) => ComponentChildren;
  readonly columns: readonly (readonly [string, (row: T) => ComponentChildren])[];
}

/** A table with a name at the beginning of each row and numbers after it. */
export function Table<T>({ label, first, rows, keyOf, head, columns }: TableProps<T>) {
  return (
    <div class="scrolls" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            {columns.map(([name]) => (
              <th scope="col" class="num" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              <th scope="row">{head(row)}</th>
              {columns.map(([name, cell]) => (
                <td class="num" key={name}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
