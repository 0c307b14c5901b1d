/** Decisions by a link that a webhook was sent. */
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@corral/protocol/api/roles';
import { ROUTES } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { keyOf, nameOf } from '../../events/webhooks/hooks.ts';
import { linkDigest, linkedBy } from '../../events/webhooks/approval-links.ts';
import { Access } from '../../people/access.ts';
import { Reader } from '../../people/reader.ts';
import type { ServerContext } from '../context.ts';
import { decideOne, type Made, type Prove } from './approvals.ts';
import type { Handlers } from './handler.ts';

/**
 * @param caller who is signed in, if anybody is @throws what `guarded` throws
 * @param guard counts and slows down callers whose link is refused
 */
export interface LinkParts {
  readonly caller: (request: FastifyRequest) => Promise<Principal | undefined>;
  readonly guard: <T>(request: FastifyRequest, work: () => Promise<T>) => Promise<T>;
  readonly prove: Prove;
}

export function linkRoutes(door: ServerContext, { caller, guard, prove }: LinkParts): Handlers<'followLink'> {
  const { settings, db, clock, index, acts } = door;

  const secretOf = async (hook: string): Promise<string | undefined> => {
    const { config, vault } = settings.inForce();
    const found = config.webhooks.find((one) => keyOf(one) === hook);
    return found === undefined ? undefined : vault.read(found.secret);
  };

  return {
    async followLink({ body: { link, verdict, reason, proof } }, { request }) {
      if (door.recovering()) throw new CorralError('CORRAL_STARTING', 'This host has just started and is taking up its runs.');
      const { config } = settings.inForce();
      const { links } = config.approvals ?? {};
      const linked = await guard(request, async () => {
        if (links === undefined) throw new CorralError('CORRAL_LINK_REFUSED', 'This host takes no links.');
        return linkedBy(link, clock.now(), secretOf);
      });
      const { run, call, version, hook } = linked as typeof linked & { readonly run: RunId };
      const signedIn = await caller(request);
      const row = index.get(run);
      if (signedIn === undefined && links?.alone !== true)
        throw new CorralError('CORRAL_UNAUTHENTICATED', 'Sign in, and decide then: the link alone is not enough here.');
      const principal: Principal = signedIn ?? { id: `link:${nameOf(hook)}`, tenant: row?.tenant ?? '', roles: ['approver'] };
      const access = new Access(
        principal,
        () => Object.keys(config.tenants),
        (tenant) => index.has('tenant', tenant, undefined),
      );
      access.role('approval.decide');
      const fresh = signedIn === undefined ? false : await prove(request, access, proof);
      const digest = linkDigest(link);
      if (!db.approvals.useLink(digest, clock.now())) throw new CorralError('CORRAL_LINK_REFUSED', 'The link was used already.');
      let made: Made;
      try {
        made = await decideOne(
          door,
          { access, reader: new Reader(door, access, ROUTES.followLink, undefined) },
          { run, call, verdict, reason, shown: version, fresh },
        );
      } catch (error) {
        // Nothing was decided by it.
        db.approvals.unuseLink(digest);
        throw error;
      }
      acts.keep(principal, { operation: verdict, target: { run, call, link: nameOf(hook) }, reason, tenant: made.tenant, matched: [run] });
      return { run, call, verdict, by: principal.id, missing: await made.missing() };
    },
  };
}
