/** URL and URLSearchParams by the WHATWG's own reference implementation. */
import { URL, URLSearchParams } from 'whatwg-url';

export default function url(): Record<string, unknown> {
  return { URL, URLSearchParams };
}
