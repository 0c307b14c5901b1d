/**
 * Stands in for tr46 in the part `url`. The tables of Unicode are most of that library, and an isolate would read them for its first URL,
 * while nearly all names of hosts are ASCII. They are a part of their own.
 */
export type Hosts = { readonly toASCII: (domain: string, options: { readonly useSTD3ASCIIRules?: boolean }) => string | null };

let whole: () => Hosts;

/** @param load gives tr46 itself */
export function giveHosts(load: () => Hosts): void {
  whole = load;
}

const ASCII = /^[\0-\x7f]*$/;
const PUNYCODE = /(?:^|\.)xn--/i;

/**
 * "If beStrict is false, domain is an ASCII string, and strictly splitting domain on U+002E (.) does not produce any item that starts with
 * an ASCII case-insensitive match for "xn--", this step is equivalent to ASCII lowercasing domain."
 * https://url.spec.whatwg.org/#concept-domain-to-ascii
 */
export const toASCII: Hosts['toASCII'] = (domain, options) =>
  options.useSTD3ASCIIRules !== true && ASCII.test(domain) && !PUNYCODE.test(domain)
    ? domain.toLowerCase()
    : whole().toASCII(domain, options);
