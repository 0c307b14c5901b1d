/** Tries what strict code refuses, and returns what came of each. */
import { defineAgent } from '@corral/guest';

declare const process: { readonly env: { readonly NODE_ENV: string } };

const tried = (attempt: () => void): string => {
  try {
    attempt();
    return 'silent';
  } catch (error) {
    return (error as Error).name;
  }
};

export default defineAgent({
  name: 'strict',
  run() {
    const self = typeof (function (this: unknown) {
      return this;
    })();
    const frozen = tried(() => {
      (Object.freeze({ a: 1 }) as { a: number }).a = 2;
    });
    const undeclared = tried(() => {
      // @ts-expect-error -- the attempt itself
      undeclaredName = 1;
    });
    return [process.env.NODE_ENV, self, frozen, undeclared];
  },
});
