/**
 * Traces: the context that travels by `traceparent`, and spans as OTLP has them.
 *
 * Pure: ids and times are handed in. The header is https://www.w3.org/TR/trace-context/#traceparent-header, the JSON is
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hexadecimal, 64-bit numbers as texts).
 * Invariant: a span has no text that a person or a provider wrote, so no address or name is in one.
 *
 * @module
 */

/** Where a span is, for those below it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  isSampled: boolean;
}

/** Numbers OTLP has for them. */
const spanKinds = { internal: 1, server: 2, client: 3 } as const;

export interface Span {
  traceId: string;
  spanId: string;
  parentId: string | null;
  name: string;
  kind: keyof typeof spanKinds;
  /** Epoch ms. */
  startedAt: number;
  endedAt: number;
  attributes: Readonly<Record<string, string | number | boolean>>;
  isFailed: boolean;
}

/** The random source: as many bytes as it is asked for. */
export type RandomBytes = (count: number) => Uint8Array;

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const newTraceId = (random: RandomBytes): string => hex(random(16));
export const newSpanId = (random: RandomBytes): string => hex(random(8));

/** Reads a `traceparent`; null for one that is missing or not valid. A later version may have more fields. */
export function parseTraceparent(header: string | null | undefined): TraceContext | null {
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header ?? '');
  if (found === null) return null;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = found;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** Whether a new trace is kept: by its random id, so that everybody who sees the id decides alike. */
export function isKept(traceId: string, percent: number): boolean {
  return Number.parseInt(traceId.slice(-8), 16) < (percent / 100) * 2 ** 32;
}

/** The body of `POST …/v1/traces`. */
export function otlpTraces(spans: readonly Span[], resource: Readonly<Record<string, string>>): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'lead-activation' }, spans: spans.map(otlpSpan) }],
      },
    ],
  };
}

function otlpSpan({ traceId, spanId, parentId, name, kind, ...span }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentId === null ? {} : { parentSpanId: parentId }),
    name,
    kind: spanKinds[kind],
    startTimeUnixNano: nanos(span.startedAt),
    endTimeUnixNano: nanos(span.endedAt),
    attributes: attributesOf(span.attributes),
    status: span.isFailed ? { code: 2 } : {},
  };
}

/** Whole milliseconds: nanoseconds since 1970 do not fit a number. */
const nanos = (ms: number): string => `${Math.round(ms)}000000`;

function attributesOf(attributes: Readonly<Record<string, string | number | boolean>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: otlpValue(value) }));
}

function otlpValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
