/** The shapes of libraries that come without types, or hide them; only what is used here. */
declare module 'whatwg-url' {
  export const URL: new (url: string, base?: string) => object;
  export const URLSearchParams: new (init?: unknown) => object;
}

declare module 'tr46' {
  export const toASCII: (domain: string, options: { readonly useSTD3ASCIIRules?: boolean }) => string | null;
}

declare module 'undici/lib/web/fetch/response.js' {
  export const Response: unknown;
}
declare module 'undici/lib/web/fetch/headers.js' {
  export const Headers: unknown;
}
declare module 'undici/lib/web/fetch/request.js' {
  export const Request: unknown;
}
declare module 'undici/lib/web/fetch/formdata.js' {
  export const FormData: unknown;
}
