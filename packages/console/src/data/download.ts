/** Files that a person saves: asked for with the session's key, which a link could not send. */
import { refusalOf, send } from './api.ts';
import type { Asked } from './routes.ts';

const NEXT = /<([^>]+)>; rel="next"/;

/** A table of a route as CSV, with all of its pages. @throws Refusal */
export async function csvOf(name: Asked, path: string): Promise<Blob> {
  const parts: string[] = [];
  for (let at: string | undefined = path; at !== undefined;) {
    const response: Response = await send(name, at, { headers: { accept: 'text/csv' } });
    if (!response.ok) throw await refusalOf(response);
    const text = await response.text();
    // Each page begins with the names of the columns.
    parts.push(parts.length === 0 ? text : text.slice(text.indexOf('\r\n') + 2));
    at = NEXT.exec(response.headers.get('link') ?? '')?.[1];
  }
  return new Blob(parts, { type: 'text/csv' });
}

/** Has the browser save it under a name. */
export function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
