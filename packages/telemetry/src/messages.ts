/** The messages between a host and its thread of telemetry, besides facts. */
import type { MetricName } from './names.ts';
import type { Resource } from './otlp/messages.ts';
import type { Collector, Signal } from './otlp/exporter.ts';

/** A value that the host knows at the moment it is asked, such as how many runs it has in memory. */
export type Reading = readonly [name: MetricName, labels: readonly string[], value: number];

export interface Begin {
  readonly memory: SharedArrayBuffer;
  readonly collector: Collector | undefined;
  readonly sample: number;
  readonly latest: boolean;
  readonly resource: Resource;
}

export type ToThread =
  | { readonly kind: 'text'; readonly id: number; readonly readings: readonly Reading[] }
  | { readonly kind: 'readings'; readonly readings: readonly Reading[] }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'text'; readonly id: number; readonly text: string }
  /** The collector takes nothing of this signal, for this reason; or takes it again, if there is none. */
  | { readonly kind: 'trouble'; readonly signal: Signal; readonly why: string | undefined }
  /** Something went wrong here that should not, such as with one fact. It is counted, and the thread goes on. */
  | { readonly kind: 'fault'; readonly why: string }
  | { readonly kind: 'closed' };
