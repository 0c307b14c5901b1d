/** A tool that the host of the scene offers besides those of purchasing/tools.d.ts. The host's side is packages/cli/src/scene/tools.ts. */
// oxlint-disable-next-line import/no-unassigned-import -- makes this a module, so that what follows adds to the SDK's own table
import '@corral/guest';

declare module '@corral/guest' {
  interface Tools {
    /** Answers at once, so that a run which calls it shows whether anything holds it up. */
    'pulse.read': { input: Record<string, never>; output: { beat: boolean } };
  }
}
