/** Lists of tools that others declare: what differs from what was accepted, and its acceptance by a person. */
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function toolReviewRoutes({ settings, clock }: ServerContext): Handlers<'listToolReviews' | 'acceptTools'> {
  return {
    async listToolReviews() {
      const { pinned } = settings.inForce();
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
