/** Lists that are read from their beginning, as many pages as a person has asked for. */

interface Page {
  readonly items: readonly unknown[];
  readonly next: string | null;
}

interface Pages<P extends Page> {
  readonly items: P['items'][number][];
  readonly pages: readonly P[];
  /** Whether there are further pages. */
  readonly more: boolean;
}

/** @param ask asks for the page at a cursor */
export async function pagesOf<P extends Page>(most: number, ask: (at: { readonly cursor?: string }) => Promise<P>): Promise<Pages<P>> {
  const pages: P[] = [];
  let next: string | null | undefined;
  while (pages.length < most && next !== null) {
    const page = await ask(next === undefined ? {} : { cursor: next });
    pages.push(page);
    next = page.next;
  }
  return { items: pages.flatMap(({ items }) => items), pages, more: next !== null };
}
