/**
 * Texts that a host was given and must keep, sealed under its key ring: the tokens of logins at MCP servers. Each has a key of its own, which is
 * wrapped as the keys of runs and memories are.
 */
export interface SealedTexts {
  /** @throws CORRAL_KEYS_MISSING if the ring lacks the key that it was sealed under; an Error if a byte of it was changed */
  get(name: string): string | undefined;
  /** Durable on return. @throws CORRAL_DISK_FULL */
  put(name: string, text: string): void;
  /** Its key goes with it. Durable on return. */
  remove(name: string): void;
}
