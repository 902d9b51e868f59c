import { describe, expect, it } from 'vitest';
import {
  formatTraceparent,
  isKept,
  newTraceId,
  otlpTraces,
  parseTraceparent,
  type Span,
} from '../../src/core/trace.ts';
import { settings, traceTarget } from '../../src/runtime/settings.ts';
import { seededRandom } from '../support/random.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it('is read and written as W3C has it', () => {
    const header = `00-${traceId}-${spanId}-01`;
    expect(parseTraceparent(header)).toEqual({ traceId, spanId, isSampled: true });
    expect(formatTraceparent({ traceId, spanId, isSampled: true })).toBe(header);
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`)?.isSampled).toBe(false);
    // A later version may have more.
    expect(parseTraceparent(`cc-${traceId}-${spanId}-01-more`)?.traceId).toBe(traceId);
  });

  it.each([
    undefined,
    '',
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
  ])('%s is none', (header) => {
    expect(parseTraceparent(header)).toBeNull();
  });
});

describe('a trace', () => {
  it('is kept in as many of a hundred cases as are wanted', () => {
    const random = seededRandom(1);
    const bytes = (count: number) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
    const ids = Array.from({ length: 10_000 }, () => newTraceId(bytes));
    const kept = ids.filter((id) => isKept(id, 10)).length;
    expect(Math.abs(kept - 1_000)).toBeLessThan(120);
    expect(ids.some((id) => isKept(id, 0))).toBe(false);
    expect(ids.every((id) => isKept(id, 100))).toBe(true);
  });

  it('is written as OTLP has it in JSON', () => {
    const span: Span = {
      ...{ traceId, spanId, parentId: null, name: 'call', kind: 'client' },
      ...{ startedAt: 1_764_580_800_000, endedAt: 1_764_580_800_250, isFailed: true },
      attributes: { provider: 'resend', attempts: 2, ratio: 0.5, isLast: false },
    };
    expect(otlpTraces([span], { 'service.name': 'lead-activation' })).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'lead-activation' } }] },
          scopeSpans: [
            {
              scope: { name: 'lead-activation' },
              spans: [
                {
                  ...{ traceId, spanId, name: 'call', kind: 3, status: { code: 2 } },
                  startTimeUnixNano: '1764580800000000000',
                  endTimeUnixNano: '1764580800250000000',
                  attributes: [
                    { key: 'provider', value: { stringValue: 'resend' } },
                    { key: 'attempts', value: { intValue: '2' } },
                    { key: 'ratio', value: { doubleValue: 0.5 } },
                    { key: 'isLast', value: { boolValue: false } },
                  ],
                },
              ],
            },
          ],
        },
      ],
    });
  });
});

describe('the collector', () => {
  it('is none while no address is set, or it is not one', () => {
    expect(traceTarget({})).toBeNull();
    expect(traceTarget({ OTLP_ENDPOINT: 'collector' })).toBeNull();
    expect(traceTarget({ OTLP_ENDPOINT: 'http://collector.acme.com' })).toBeNull();
    expect(traceTarget({ OTLP_ENDPOINT: 'http://127.0.0.1:4318/' })).toEqual({
      ...{ url: 'http://127.0.0.1:4318', headers: {}, samplePercent: 10 },
    });
  });

  it('gets the headers that are set', () => {
    const target = traceTarget({
      OTLP_ENDPOINT: 'https://otlp.acme.com/otlp',
      OTLP_HEADERS: 'Authorization=Basic YTpi==, X-Scope=one',
    });
    expect(target?.headers).toEqual({ Authorization: 'Basic YTpi==', 'X-Scope': 'one' });
    const check = settings.find(({ name }) => name === 'OTLP_HEADERS')?.check;
    expect(check?.('Authorization: Basic x')).toMatch(/name=value/);
  });
});
