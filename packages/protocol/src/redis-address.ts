/**
 * The address of a Redis: `redis://` or, with TLS, `rediss://`; user, password and number of the database as usual.
 * @returns undefined for what is none
 */
export function redisAddress(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^\/?\d{0,4}$/.test(url.pathname)) return undefined;
  try {
    decodeURIComponent(`${url.username}:${url.password}`);
    return url;
  } catch {
    // A per cent sign of user or password that begins no encoded character.
    return undefined;
  }
}
