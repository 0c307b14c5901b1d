/**
 * Patterns of origins in a configuration: an origin as the URL Standard writes it (`https://api.example.com`, with a port where it is not the
 * scheme's own), or one with `*` for its first labels (`https://*.example.com`) or for all of them (`https://*`).
 */

/** Whether a pattern covers an origin. A literal IPv6 address is covered by itself alone. */
export function covers(pattern: string, origin: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === origin;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  if (!origin.startsWith(head) || !origin.endsWith(tail) || origin.length <= head.length + tail.length) return false;
  const labels = origin.slice(head.length, origin.length - tail.length);
  return !/[:/]/.test(labels);
}

/** Whether a pattern is one origin. */
export const isExact = (pattern: string): boolean => !pattern.includes('*');
