/** The host behind the front door: the supervisor and its store, in the words of the port. Nothing else here knows either. */
import type { Store } from '@corral/protocol/store';
import type { Supervisor, TenantOptions } from '@corral/supervisor';
import type { HostPort } from './ports.ts';

type Tenants = Readonly<Record<string, TenantOptions>>;

export function hostOf(supervisor: Supervisor, store: Store, tenants: Tenants): HostPort {
  let offered = tenants;
  return {
    async deploy(tenant, source, describing) {
      const [manifests] = await supervisor.describe([describing]);
      return supervisor.deploy(tenant, source, manifests);
    },
    sender: (tenant, service, handler) => supervisor.services.sender(tenant, service, handler),
    services: (tenant) => supervisor.services.offered(tenant),
    async submit(job) {
      await supervisor.submit(job);
    },
    async operate(operation, run, by, reason) {
      const { control } = supervisor;
      return control[operation](run, by, reason);
    },
    resolve: (run, call, by, resolution) =>
      supervisor.control.resolve(run, call, by, resolution.how === 'result' ? resolution : { how: resolution.how }),
    release: (run, by, reason) => supervisor.control.release(run, by, reason),
    view: (run) => supervisor.view(run),
    views: () => supervisor.runs(),
    stored: (run) => store.run(run),
    everyRun: () => store.runs({ limit: Number.MAX_SAFE_INTEGER }),
    children: (run) => store.runs({ parent: run }),
    journal: (run, after, limit) => store.journal(run, after, limit),
    grants: (run) => store.grants(run),
    hasBundle: async (bundle) => (await store.bundle(bundle)) !== undefined,
    tools: (tenant) => offered[tenant]?.tools ?? [],
    approvals: (tenant) => supervisor.approvals(tenant),
    decide: (run, call, by, verdict, reason) => supervisor.control.decide(run, call, by, verdict, reason),
    quarantines: () => supervisor.quarantines(),
    quarantine: (kind, name, by, reason) => supervisor.quarantine(kind, name, by, reason),
    lift: (kind, name, by, reason) => supervisor.lift(kind, name, by, reason),
    configure(next) {
      offered = next;
      supervisor.configure(next);
    },
    observe: (observer) => supervisor.observe(observer),
    close: () => supervisor.close(),
  };
}
