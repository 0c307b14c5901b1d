/**
 * Paths of requests: which of them a configuration allows, and which are refused because a server may read them as another path than the one
 * that was allowed.
 */

/** Servers decode once or more often; a path that still changes after this number of times is made to deceive. */
const DECODINGS = 3;

/**
 * Why a path, as the URL Standard writes it, might be read as another one; undefined if it is what it seems.
 * @param slashes whether an encoded slash may stand in a segment, as in `group%2Fproject`
 */
export function whyUnclear(path: string, slashes: boolean): string | undefined {
  let text = path;
  for (let i = 0; i < DECODINGS; i += 1) {
    if (text.includes('\\') || text.includes('\0')) return 'it holds a backslash or a NUL in an encoded form';
    // RFC 3986, 3.3: some servers take what follows `;` off a segment before they look for dots.
    if (text.split('/').some((segment) => /^\.{1,2}(?:;|$)/.test(segment))) return 'it holds `.` or `..` in an encoded form';
    const next = decoded(text);
    if (next === undefined) return 'it holds `%` without two digits of hexadecimal';
    if (!slashes && count(next, '/') !== count(text, '/'))
      return 'it holds an encoded slash, which encoded_slashes of the configuration would allow';
    if (next === text) return undefined;
    text = next;
  }
  return 'it is encoded several times';
}

const count = (text: string, what: string): number => text.split(what).length;

/** Segments of letters, digits, `_`, `~` and `-`, and dots within them: no server reads such a path as another one, and a URL keeps it as it is. */
export const isPlain = (path: string): boolean => /^(?:\/[\w~-][\w~.-]*)+\/?$/.test(path);

/** Bytes of it that are not UTF-8 stay as they are. */
function decoded(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  return text.replaceAll(/%([0-7][0-9a-fA-F])/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/** A path of a configuration: `/v1/contacts`, `/v1/contacts/*`, where `*` is one segment, or with `/**` all that follows. */
export const PATH_PATTERN = /^(?:\/|(?:\/[^/?#*\s]+|\/\*)+(?:\/|\/\*\*)?|\/\*\*)$/;

/** @param pattern fits PATH_PATTERN */
export function fitsPath(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const isOpen = wanted.at(-1) === '**';
  if (isOpen ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((segment, i) => (isOpen && i === wanted.length - 1) || given[i] === segment || (segment === '*' && given[i] !== ''));
}
