/**
 * Sends spans to the collector that the settings name, by OTLP over HTTP in JSON.
 *
 * Does nothing where none is set. Never throws: whoever is observed must not notice. A failed export is not repeated,
 * because a trace is not worth a queue.
 *
 * @module
 */
import { otlpTraces, type RandomBytes, type Span } from '../core/trace.ts';
import { faultText } from './faults.ts';
import { logEvent } from './log.ts';
import { traceTarget, type SettingValues } from './settings.ts';

/** A collector that takes longer is not waited for. */
const timeoutMs = 10_000;
/** Spans of one request to the collector: about 200 kB. */
const maxSpanCount = 500;

export const randomBytes: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

/** Sends these spans; resolves when the collector has answered, or has not. */
export async function exportSpans(env: SettingValues, spans: readonly Span[]): Promise<void> {
  const target = traceTarget(env);
  if (target === null) return;
  for (let from = 0; from < spans.length; from += maxSpanCount) {
    const part = spans.slice(from, from + maxSpanCount);
    try {
      const response = await fetch(`${target.url}/v1/traces`, {
        method: 'POST',
        redirect: 'manual',
        headers: { ...target.headers, 'content-type': 'application/json' },
        body: JSON.stringify(otlpTraces(part, { 'service.name': 'lead-activation' })),
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.body?.cancel();
      if (!response.ok) logEvent('warn', 'trace_not_exported', { status: response.status });
    } catch (error) {
      logEvent('warn', 'trace_not_exported', { status: null, error: faultText(error) });
    }
  }
}
