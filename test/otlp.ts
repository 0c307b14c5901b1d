/** A collector for tests: it takes OTLP over HTTP and reads its protocol buffers by a library and the field numbers of opentelemetry-proto. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';
import { onTestFinished } from 'vitest';

/** Those messages and fields that a host sends. A field that is not here would be lost, and one of another type would not be read. */
const SCHEMA = `syntax = "proto3"; package otlp;
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { string name = 1; string version = 2; }
message Link { bytes trace_id = 1; bytes span_id = 2; repeated KeyValue attributes = 4; }
message Status { string message = 2; int32 code = 3; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; repeated Link links = 13; Status status = 15; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
message Traces { repeated ResourceSpans resource_spans = 1; }
message Number { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; double as_double = 4; repeated KeyValue attributes = 7; }
message HistogramPoint { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4; double sum = 5;
  repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7; repeated KeyValue attributes = 9; }
message Gauge { repeated Number data_points = 1; }
message Sum { repeated Number data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
message Histogram { repeated HistogramPoint data_points = 1; int32 aggregation_temporality = 2; }
message Metric { string name = 1; string description = 2; string unit = 3; oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; } }
message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }
message LogRecord { fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6;
  bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11; }
message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
message Logs { repeated ResourceLogs resource_logs = 1; }
message Metrics { repeated ResourceMetrics resource_metrics = 1; }`;
const { root } = protobuf.parse(SCHEMA, { keepCase: true });
const [TRACES, METRICS, LOGS] = [root.lookupType('otlp.Traces'), root.lookupType('otlp.Metrics'), root.lookupType('otlp.Logs')];

export interface Received {
  readonly trace: string;
  readonly id: string;
  /** Empty: it is a root. */
  readonly parent: string;
  readonly name: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly trace: string; readonly span: string; readonly what: unknown }[];
  readonly error: string | undefined;
}
interface ReceivedMetric {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { readonly attributes: Readonly<Record<string, unknown>>; readonly value: number }[];
}

interface ReceivedLog {
  /** Empty: it is about no run that the host knows. */
  readonly trace: string;
  readonly span: string;
  readonly severity: string;
  readonly body: unknown;
  readonly at: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Pairs = readonly { readonly key: string; readonly value: object }[];
const attributes = (pairs: Pairs): Record<string, unknown> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0] as unknown]));
const hex = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString('hex');
const OPTIONS = { longs: String, arrays: true } as const;

/** The messages as the library gives them. */
interface RawTraces {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scope_spans: readonly {
      readonly spans: readonly {
        readonly trace_id: Uint8Array;
        readonly span_id: Uint8Array;
        readonly parent_span_id?: Uint8Array;
        readonly name: string;
        readonly start_time_unix_nano: string;
        readonly end_time_unix_nano: string;
        readonly attributes: Pairs;
        readonly links: readonly { readonly trace_id: Uint8Array; readonly span_id: Uint8Array; readonly attributes: Pairs }[];
        readonly status?: { readonly code: number; readonly message: string };
      }[];
    }[];
  }[];
}
interface RawPoints {
  readonly data_points: readonly { readonly attributes: Pairs; readonly as_double?: number; readonly count?: string }[];
}
interface RawMetrics {
  readonly resource_metrics: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scope_metrics: readonly {
      readonly metrics: readonly {
        readonly name: string;
        readonly unit: string;
        readonly gauge?: RawPoints;
        readonly sum?: RawPoints;
        readonly histogram?: RawPoints;
      }[];
    }[];
  }[];
}

interface RawLogs {
  readonly resource_logs: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scope_logs: readonly {
      readonly log_records: readonly {
        readonly time_unix_nano: string;
        readonly severity_number: number;
        readonly severity_text: string;
        readonly body: object;
        readonly attributes: Pairs;
        readonly trace_id?: Uint8Array;
        readonly span_id?: Uint8Array;
      }[];
    }[];
  }[];
}

function logsIn(body: Buffer, resources: Record<string, unknown>[]): ReceivedLog[] {
  const { resource_logs } = LOGS.toObject(LOGS.decode(body), OPTIONS) as RawLogs;
  resources.push(...resource_logs.map(({ resource }) => attributes(resource.attributes)));
  const all = resource_logs.flatMap(({ scope_logs }) => scope_logs.flatMap(({ log_records }) => log_records));
  return all.map((one) => ({
    trace: hex(one.trace_id),
    span: hex(one.span_id),
    severity: `${one.severity_text} ${one.severity_number}`,
    body: Object.values(one.body)[0],
    at: BigInt(one.time_unix_nano),
    attributes: attributes(one.attributes),
  }));
}

function spansIn(body: Buffer, resources: Record<string, unknown>[]): Received[] {
  const { resource_spans } = TRACES.toObject(TRACES.decode(body), OPTIONS) as RawTraces;
  resources.push(...resource_spans.map(({ resource }) => attributes(resource.attributes)));
  const all = resource_spans.flatMap(({ scope_spans }) => scope_spans.flatMap(({ spans }) => spans));
  return all.map((span) => ({
    trace: hex(span.trace_id),
    id: hex(span.span_id),
    parent: hex(span.parent_span_id),
    name: span.name,
    from: BigInt(span.start_time_unix_nano),
    to: BigInt(span.end_time_unix_nano),
    attributes: attributes(span.attributes),
    links: span.links.map((link) => ({
      trace: hex(link.trace_id),
      span: hex(link.span_id),
      what: attributes(link.attributes)['corral.link'],
    })),
    error: span.status?.code === 2 ? span.status.message : undefined,
  }));
}

function metricsIn(body: Buffer, resources: Record<string, unknown>[]): ReceivedMetric[] {
  const { resource_metrics } = METRICS.toObject(METRICS.decode(body), OPTIONS) as RawMetrics;
  resources.push(...resource_metrics.map(({ resource }) => attributes(resource.attributes)));
  const all = resource_metrics.flatMap(({ scope_metrics }) => scope_metrics.flatMap(({ metrics }) => metrics));
  return all.map(({ name, unit, gauge, sum, histogram }) => ({
    name,
    unit,
    points: ((gauge ?? sum ?? histogram)?.data_points ?? []).map((point) => ({
      attributes: attributes(point.attributes),
      value: Number(point.as_double ?? point.count),
    })),
  }));
}

export interface Collector {
  readonly url: string;
  /** All spans that came, in their order; a span that came twice is here twice. */
  readonly spans: readonly Received[];
  readonly metrics: readonly ReceivedMetric[];
  readonly logs: readonly ReceivedLog[];
  /** The sender, as it describes itself with each request. */
  readonly resources: readonly Readonly<Record<string, unknown>>[];
  /** Headers of the requests. */
  readonly headers: readonly IncomingMessage['headers'][];
}

export async function collector(): Promise<Collector> {
  const spans: Received[] = [];
  const metrics: ReceivedMetric[] = [];
  const logs: ReceivedLog[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const resources: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      headers.push(request.headers);
      if (request.url === '/v1/traces') spans.push(...spansIn(body, resources));
      else if (request.url === '/v1/metrics') metrics.push(...metricsIn(body, resources));
      else if (request.url === '/v1/logs') logs.push(...logsIn(body, resources));
      response.writeHead(request.url?.startsWith('/v1/') === true ? 200 : 404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, metrics, logs, headers, resources };
}
