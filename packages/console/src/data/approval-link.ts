/**
 * The link to an approval that a webhook was sent. It is in the fragment, which a browser sends to nobody, and leaves the address before anything
 * else is done; a person decides by it on the page, and that uses it up.
 */
const LINK = /^#approve=([\w.-]{20,2000})$/;

let link: string | undefined;

/** Takes the link out of the address. */
export function keepLink(): void {
  link = LINK.exec(location.hash)?.[1];
  if (link !== undefined) history.replaceState(null, '', location.pathname + location.search);
}

/** The call that the link is for, as its text names it; the host checks that. */
function namedBy(text: string): { readonly run?: unknown; readonly call?: unknown } {
  try {
    return JSON.parse(atob((text.split('.')[0] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as object;
  } catch {
    return {};
  }
}

/** The link for a call, if it brought this page. */
export function linkFor({ run, call }: { readonly run: string; readonly call: number }): string | undefined {
  if (link === undefined) return undefined;
  const named = namedBy(link);
  return named.run === run && named.call === call ? link : undefined;
}
export const linkUsed = (): void => {
  link = undefined;
};
