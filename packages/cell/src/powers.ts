/**
 * Gives up what the process could do. Node's permission model is defence in depth and not a wall: the operating system's
 * walls, chosen by the supervisor before this process began, are what counts (DESIGN 3.2).
 */

/** Drops everything the permission model knows. Called once the addon is loaded and before any guest is. */
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
      // A scope that this Node does not know is one that it cannot grant either.
    }
  }
}
