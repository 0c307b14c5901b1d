/**
 * Spans and figures as OTLP's messages. The numbers of fields are those of opentelemetry-proto v1.
 *
 * Source: github.com/open-telemetry/opentelemetry-proto, opentelemetry/proto/{trace,metrics,logs,common,resource}/v1
 */
import type { Figure, Series } from '../figures.ts';
import { severityName, type LogRecord } from '../log.ts';
import { SCHEMA_URL, SCOPE } from '../names.ts';
import type { Attributes, Link, Span, Value } from '../span.ts';
import { ProtobufWriter } from './protobuf.ts';

/** The sender of telemetry: a host. */
export interface Resource {
  readonly attributes: Attributes;
  readonly version: string;
}

const STATUS_ERROR = 2;
const CUMULATIVE = 2;
const NANOS = 1_000_000n;
const nanos = (ms: number): bigint => BigInt(Math.round(Math.max(0, ms) * 1000)) * (NANOS / 1000n);

function value(out: ProtobufWriter, one: Value): void {
  if (typeof one === 'string') out.text(1, one);
  else if (typeof one === 'boolean') out.integer(2, one ? 1 : 0);
  else if (Number.isSafeInteger(one) && one >= 0) out.integer(3, one);
  else out.double(4, one);
}

function attributes(out: ProtobufWriter, field: number, all: Attributes): void {
  for (const [key, one] of all)
    out.message(field, () => {
      out.text(1, key);
      out.message(2, () => value(out, one));
    });
}

/** The envelope of spans as of figures: resource, scope, schema. */
function enveloped(resource: Resource, items: (out: ProtobufWriter) => void): Uint8Array<ArrayBuffer> {
  const out = new ProtobufWriter();
  out.message(1, () => {
    out.message(1, () => attributes(out, 1, resource.attributes));
    out.message(2, () => {
      out.message(1, () => {
        out.text(1, SCOPE);
        out.text(2, resource.version);
      });
      items(out);
      out.text(3, SCHEMA_URL);
    });
    out.text(3, SCHEMA_URL);
  });
  return out.done;
}

function link(out: ProtobufWriter, { trace, span, attributes: more }: Link): void {
  out.message(13, () => {
    out.bytes(1, trace);
    out.bytes(2, span);
    attributes(out, 4, more);
  });
}

function span(out: ProtobufWriter, one: Span): void {
  out.bytes(1, one.trace);
  out.bytes(2, one.id);
  if (one.parent !== undefined) out.bytes(4, one.parent);
  out.text(5, one.name);
  out.integer(6, one.kind);
  out.fixed(7, nanos(one.from));
  out.fixed(8, nanos(one.to));
  attributes(out, 9, one.attributes);
  for (const each of one.links) link(out, each);
  const { error } = one;
  if (error === undefined) return;
  out.message(15, () => {
    out.text(2, error);
    out.integer(3, STATUS_ERROR);
  });
}

/** The body of a request to `/v1/traces`. */
export const tracesMessage = (resource: Resource, spans: readonly Span[]): Uint8Array<ArrayBuffer> =>
  enveloped(resource, (out) => {
    for (const one of spans) out.message(2, () => span(out, one));
  });

function logRecord(out: ProtobufWriter, { at, severity, body, attributes: all, trace, span: about }: LogRecord): void {
  out.fixed(1, nanos(at));
  out.integer(2, severity);
  out.text(3, severityName(severity));
  out.message(5, () => out.text(1, body));
  attributes(out, 6, all);
  if (trace !== undefined) out.bytes(9, trace);
  if (about !== undefined) out.bytes(10, about);
  out.fixed(11, nanos(at));
}

/** The body of a request to `/v1/logs`. */
export const logsMessage = (resource: Resource, records: readonly LogRecord[]): Uint8Array<ArrayBuffer> =>
  enveloped(resource, (out) => {
    for (const one of records) out.message(2, () => logRecord(out, one));
  });

/** A time of figures: since when they are counted, and now. Milliseconds since 1970. */
export interface Interval {
  readonly since: number;
  readonly now: number;
}

const labelsOf = ({ instrument }: Figure, { labels }: Series): Attributes =>
  instrument.labels.flatMap((name, i) => (labels[i] === '' ? [] : [[name, labels[i] ?? ''] as const]));

function histogramPoint(out: ProtobufWriter, figure: Figure, series: Series, { since, now }: Interval): void {
  const { bounds } = figure;
  const { values } = series;
  out.fixed(2, nanos(since));
  out.fixed(3, nanos(now));
  out.fixed(4, BigInt(values[bounds.length + 2] ?? 0));
  out.double(5, values[bounds.length + 1] ?? 0);
  out.fixeds(
    6,
    [...values.subarray(0, bounds.length + 1)].map((count) => BigInt(count)),
  );
  out.doubles(7, bounds);
  attributes(out, 9, labelsOf(figure, series));
}

function numberPoint(out: ProtobufWriter, figure: Figure, series: Series, { since, now }: Interval): void {
  if (figure.instrument.kind === 'counter') out.fixed(2, nanos(since));
  out.fixed(3, nanos(now));
  out.double(4, series.values[0] ?? 0);
  attributes(out, 7, labelsOf(figure, series));
}

/** Fields of `Metric` that hold its data, by kind. */
const DATA = { gauge: 5, counter: 7, histogram: 9 } as const;

function metric(out: ProtobufWriter, figure: Figure, interval: Interval): void {
  const { instrument, series } = figure;
  out.text(1, instrument.name);
  out.text(2, instrument.about);
  out.text(3, instrument.unit);
  out.message(DATA[instrument.kind], () => {
    for (const one of series)
      out.message(1, () => (instrument.kind === 'histogram' ? histogramPoint : numberPoint)(out, figure, one, interval));
    if (instrument.kind !== 'gauge') out.integer(2, CUMULATIVE);
    if (instrument.kind === 'counter') out.integer(3, 1);
  });
}

/** The body of a request to `/v1/metrics`. */
export const metricsMessage = (resource: Resource, figures: readonly Figure[], interval: Interval): Uint8Array<ArrayBuffer> =>
  enveloped(resource, (out) => {
    for (const figure of figures) out.message(2, () => metric(out, figure, interval));
  });
