/** Limits of telemetry: what a host may keep of it, and send of it. They are apart from limits.ts because no run is bounded by any of them. */
import { limit, type Limit } from './limits.ts';

export const TELEMETRY = {
  facts: limit('facts that wait for the thread of telemetry, a power of two; more are dropped and counted', 16_384, 1_048_576, 64),
  texts: limit(
    'names that both ends of telemetry know by number; the one that was numbered first gives way to a new one',
    4_096,
    65_536,
    16,
  ),
  series: limit('lines of figures at /metrics; names that would make more are counted under `other`', 2_000, 100_000, 2_000),
  runs_known: limit('runs of which telemetry remembers agent and family', 20_000, 1_000_000),
  refusals_told: limit('refusals of one crank that are told one by one; the rest is told by number', 16, 10_000),
  errors_per_run_minute: limit('spans of errors of one run in a minute, besides its end; more are dropped and counted', 60, 100_000),
  errors_per_tenant_minute: limit('spans of errors of all runs of a tenant in a minute, besides their ends', 1_200, 1_000_000),
  spans_waiting: limit(
    'spans that wait for a collector; where there are more, the tenant with the most loses its latest, which is counted',
    8_192,
    1_000_000,
  ),
  content_bytes: limit('bytes of each text of a call that is sent as content; what is longer is cut', 16_384, 65_536, 1_024),
  log_bytes: limit('bytes of a record of the log that is sent; longer lines are cut', 8_192, 65_536, 1_024),
  logs_waiting: limit('records of the log that wait for a collector; more are dropped and counted', 8_192, 1_000_000),
  export_attempts: limit('attempts at handing a batch to a collector', 5, 100),
  answer_bytes: limit('bytes of the answer of a collector that are read', 65_536, 16 * 1024 * 1024),
  close_ms: limit('time that telemetry has to hand over the rest when its host stops', 2_000, 60_000),
} as const satisfies Record<string, Limit>;
