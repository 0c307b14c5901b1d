/** Jobs that are submitted at times. */
import { CorralError } from '@corral/protocol/errors';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function scheduleRoutes({
  scheduler,
  submissions,
  db,
}: ServerContext): Handlers<'makeSchedule' | 'listSchedules' | 'removeSchedule'> {
  return {
    async makeSchedule({ body }, { access, keep }) {
      const tenant = access.one('schedule.write', body.tenant);
      scheduler.nextOf(body.cron);
      // An input that no job would be taken with is refused now, and not at each scheduled time.
      const refusal = await submissions.inputRefusal({ tenant, agent: body.agent, input: body.input }, access.principal.id);
      if (refusal !== undefined) throw new CorralError('CORRAL_INPUT_INVALID', `${body.agent} refuses this input: ${refusal}`);
      return db.durably(() => {
        const made = scheduler.make({ tenant, agent: body.agent, input: body.input, cron: body.cron }, access.principal.id);
        keep({ target: { schedule: made.schedule, agent: made.agent, cron: made.cron }, tenant });
        return made;
      });
    },
    async listSchedules({ query }, { access }) {
      return { items: scheduler.list(access.some('schedule.read', query.tenant)) };
    },
    async removeSchedule({ params, query }, { access, keep }) {
      const { tenant } = scheduler.show(params.schedule);
      if (!access.may('schedule.write', tenant))
        throw new CorralError('CORRAL_SCHEDULE_UNKNOWN', `There is no schedule ${params.schedule} here.`);
      if (query.dryRun) {
        keep.skip();
        return scheduler.show(params.schedule);
      }
      return db.durably(() => {
        const removed = scheduler.remove(params.schedule);
        keep({ target: { schedule: removed.schedule, agent: removed.agent, cron: removed.cron }, tenant });
        return removed;
      });
    },
  };
}
