/** Reports about a configuration's tools, to operators: lines in the host's log, and events. */
import type { FastifyBaseLogger } from 'fastify';
import type { Feed } from '../events/stream.ts';
import type { ToolReport } from './load.ts';

/** @param feed gives undefined while the host is being built */
export function reporter(log: FastifyBaseLogger | undefined, feed: () => Feed | undefined): (report: ToolReport) => void {
  return (report) => {
    const { kind, text } = report;
    switch (kind) {
      case 'output':
        log?.warn({ tools: text }, 'a tool wrote');
        return;
      case 'failed':
        log?.warn({ tool: report.tool, tenant: report.tenant, run: report.run, call: report.call, error: text }, `${report.tool} failed`);
        feed()?.tell('tool.failed', { tenant: report.tenant, run: report.run, data: { tool: report.tool, call: report.call } });
        return;
      case 'uncaught':
        log?.error({ tool: report.tool ?? null, error: text }, 'code of the configuration threw where nothing catches it');
        feed()?.tell('tools.failed', { data: { why: 'uncaught', tool: report.tool ?? null, message: text.split('\n', 1)[0] ?? '' } });
        return;
      case 'ended':
      case 'broken':
        log?.error({ error: text }, 'the process of the tools has ended');
        feed()?.tell('tools.failed', { data: { why: kind, tool: null, message: text } });
        return;
      case 'suspended':
        log?.error({ source: report.source ?? null }, text);
        feed()?.tell('tools.suspended', { data: { source: report.source ?? null, message: text } });
        return;
      case 'restarted':
        log?.warn(text);
        feed()?.tell('tools.restarted', {});
    }
  };
}
