/** The shapes of libraries that come without types, or hide them; only what is used here. */
declare module 'event-target-shim' {
  export class Event {
    constructor(type: string);
    readonly type: string;
  }
  export class EventTarget {
    addEventListener(type: string, listener: (event: Event) => void, options?: { readonly once?: boolean }): void;
    removeEventListener(type: string, listener: (event: Event) => void): void;
    dispatchEvent(event: Event): boolean;
  }
  export function getEventAttributeValue(target: EventTarget, type: string): ((event: unknown) => void) | null;
  export function setEventAttributeValue(target: EventTarget, type: string, listener: unknown): void;
}

declare module 'whatwg-url' {
  export const URL: new (url: string, base?: string) => object;
  export const URLSearchParams: new (init?: unknown) => object;
}

declare module '@ungap/structured-clone' {
  /** @throws TypeError for what cannot be cloned */
  export default function structuredClone(value: unknown): unknown;
}
