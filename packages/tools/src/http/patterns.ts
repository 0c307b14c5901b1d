/** Checks patterns of origins (@see packages/protocol/src/model/origin.ts) where a configuration is read. */

const PATTERN = /^https?:\/\/(?:\*|\*\.[^*/?#@]+|[^*/?#@]+?)(?::\d{1,5})?$/;

/** Why a text is not a pattern; undefined if it is one. */
export function faultOfPattern(text: string): string | undefined {
  if (!PATTERN.test(text)) return 'not an origin such as https://api.example.com, https://*.example.com or https://*';
  // `*` is a name of a host to the URL Standard, so it may stand in a URL.
  const { origin } = URL.parse(text.replace('*', 'x')) ?? {};
  const written = origin?.replace('://x', '://*');
  if (text.includes('*') ? written !== text : URL.parse(text)?.origin !== text)
    return `not as origins are written${origin === undefined ? '' : `: ${text.includes('*') ? written : URL.parse(text)?.origin}`}`;
  return undefined;
}
