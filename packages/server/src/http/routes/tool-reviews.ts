/** Lists of tools that others declare: what differs from what was accepted, and its acceptance by a person. */
import type { PinnedSource } from '@corral/protocol/ports/pins';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function toolReviewRoutes({ settings, clock }: ServerContext): Handlers<'listToolReviews' | 'acceptTools'> {
  return {
    async listToolReviews() {
      const { pinned } = settings.inForce();
      // A server that could not be asked when somebody signed in there has no tools, so no call would ask it again.
      await Promise.allSettled(pinned.filter(isUnheard).map(async (one) => await one.ask?.()));
      return { items: pinned.map((one) => JSON.parse(JSON.stringify(one.review()))) };
    },
    async acceptTools({ params, body }, { access, keep }) {
      const { source, digest, tools } = settings.accept(params.source, body.digest, access.principal.id, clock.now(), (target) =>
        keep({ target, reason: body.reason }),
      );
      return { source, digest, tools: tools.length };
    },
  };
}

function isUnheard(one: PinnedSource): boolean {
  const { accepted, offered, needs_login } = one.review();
  return accepted === null && offered === null && needs_login.length === 0;
}
