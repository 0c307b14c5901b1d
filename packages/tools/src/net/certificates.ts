/** Why the certificate of a server is not accepted, in words. */

const CERTIFICATES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'the authority at the end of its chain is not one that this host trusts',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the authority that signed it is unknown',
  UNABLE_TO_GET_ISSUER_CERT: 'the authority that signed it is unknown',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the authority that signed it is unknown',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
};

/** @param code of an error of TLS */
export function certificateText(code: string): string {
  const why = CERTIFICATES[code];
  return why === undefined ? code : `${why} (${code})`;
}

export const isCertificateCode = (code: unknown): code is string => typeof code === 'string' && Object.hasOwn(CERTIFICATES, code);
