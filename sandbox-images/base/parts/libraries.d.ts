/** The shapes of libraries that come without types, or hide them; only what is used here. */
declare module 'whatwg-url' {
  export const URL: new (url: string, base?: string) => object;
  export const URLSearchParams: new (init?: unknown) => object;
}

declare module '@ungap/structured-clone' {
  /** @throws TypeError for what cannot be cloned */
  export default function structuredClone(value: unknown): unknown;
}
