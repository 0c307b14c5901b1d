/**
 * Gives up the powers of the process. Node's permission model is only defence in depth: the walls of the operating system, which
 * the supervisor set up before this process started, are what confines it (ARCHITECTURE.md, "Walls").
 */

/** Drops every permission that Node's model knows. Called after the addon is loaded and before any guest code is. */
export function dropPowers(user: number | undefined): void {
  if (user !== undefined && process.getuid?.() === 0) {
    process.setgroups?.([]);
    process.setgid?.(user);
    process.setuid?.(user);
  }
  const permission = process.permission as unknown as { drop?: (scope: string) => void } | undefined;
  for (const scope of ['fs', 'net', 'child', 'worker', 'wasi', 'inspector', 'addons', 'ffi']) {
    try {
      permission?.drop?.(scope);
    } catch {
      // A scope that this Node does not know cannot be granted by it either.
    }
  }
}
