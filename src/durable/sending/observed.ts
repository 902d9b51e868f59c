/**
 * A slice seen from outside: points for its batches, and a trace of them, where the settings ask for it.
 *
 * Wraps the verbs of a slice and changes none of them. Where nothing is asked for, the verbs are those of the runner.
 * Invariant: what leaves has numbers, ids and names of our own, and no text of a lead, a template or a provider.
 *
 * @module
 */
import type { Outcome } from '../../core/batch/outcome.ts';
import type { SliceVerbs } from '../../core/session/slice.ts';
import { newSpanId, parseTraceparent, type Span, type TraceContext } from '../../core/trace.ts';
import { BatchPoints } from '../../runtime/metric-points.ts';
import { exportSpans, randomBytes } from '../../runtime/otlp.ts';
import { traceTarget } from '../../runtime/settings.ts';
import type { SliceContext } from '../session/context.ts';

/** Batches of a slice that are traced one by one; the slice's span has the number of all. */
export const maxTracedBatchCount = 100;

/** A batch in hand. */
interface Seen {
  spanId: string;
  takenAt: number;
  leadCount: number;
  isTraced: boolean;
  flipMs: number;
  outcome: Outcome['kind'] | null;
}

export interface ObservedSlice {
  verbs: SliceVerbs;
  /** The slice has ended, or was broken off. */
  end(): void;
}

/** @param sliceId - the time at which it began */
export function observeSlice(context: SliceContext, runner: SliceVerbs, sliceId: number): ObservedSlice {
  const { sessionId, trace = null } = context.store.session().spec;
  const env = context.settings();
  const points = env.METRICS === undefined ? null : new BatchPoints(env.METRICS, sessionId);
  const parent = traceTarget(env) === null ? null : parseTraceparent(trace);
  const spans = parent?.isSampled === true ? new SliceSpans(context, parent, { sessionId, sliceId }) : null;
  if (points === null && spans === null) return { verbs: runner, end: () => undefined };

  const seen = new Map<number, Seen>();
  let batchCount = 0;
  const { now } = context;
  const observed: Pick<SliceVerbs, 'take' | 'flip' | 'deliver' | 'release'> = {
    take() {
      const batch = runner.take();
      if (batch === null) return null;
      batchCount++;
      const isTraced = spans !== null && batchCount <= maxTracedBatchCount;
      const spanId = isTraced ? newSpanId(randomBytes) : '';
      const leadCount = batch.leadIds.length;
      seen.set(batch.seq, { spanId, takenAt: now(), leadCount, isTraced, flipMs: 0, outcome: null });
      return batch;
    },
    async flip(batch) {
      const startedAt = now();
      const result = await runner.flip(batch);
      const one = seen.get(batch.seq);
      if (one === undefined) return result;
      one.flipMs = now() - startedAt;
      if (one.isTraced)
        spans?.add('flip', one.spanId, startedAt, { 'lead.count': one.leadCount }, result === null);
      return result;
    },
    async deliver(...call) {
      const startedAt = now();
      const outcome = await runner.deliver(...call);
      const [intent] = call;
      const { seq, attempts } = intent.batch;
      const one = seen.get(seq);
      if (one === undefined) return outcome;
      one.outcome = outcome.kind;
      const provider = context.mail.transport.name;
      points?.add({
        ...{ provider, outcome: outcome.kind, batches: 1, emails: intent.mailCount, attempts },
        ...{ flip_ms: one.flipMs, call_ms: now() - startedAt },
      });
      if (one.isTraced) {
        const attributes = { provider, outcome: outcome.kind, 'email.count': intent.mailCount, attempts };
        spans?.add('call', one.spanId, startedAt, attributes, outcome.kind !== 'accepted');
      }
      return outcome;
    },
    release(batch) {
      runner.release(batch);
      const one = seen.get(batch.seq);
      seen.delete(batch.seq);
      if (one?.isTraced === true) spans?.batch(batch.seq, one);
    },
  };
  return {
    verbs: overlaid(runner, observed),
    end() {
      points?.end();
      spans?.end(batchCount);
    },
  };
}

/** `verbs` with some of them replaced. */
function overlaid(verbs: SliceVerbs, replaced: Partial<SliceVerbs>): SliceVerbs {
  return new Proxy(verbs, {
    get(target, name: keyof SliceVerbs & string) {
      // Bound to the runner: its fields are private, and a proxy has none of them.
      return replaced[name] ?? (target[name] as () => unknown).bind(target);
    },
  });
}

/** The spans of a slice, sent when it ends. */
class SliceSpans {
  readonly #context: SliceContext;
  readonly #parent: TraceContext;
  readonly #ids: { sessionId: string; sliceId: number };
  readonly #spanId = newSpanId(randomBytes);
  readonly #startedAt: number;
  readonly #spans: Span[] = [];

  constructor(context: SliceContext, parent: TraceContext, ids: { sessionId: string; sliceId: number }) {
    this.#context = context;
    this.#parent = parent;
    this.#ids = ids;
    this.#startedAt = context.now();
  }

  /** The end of a piece of a batch's work. */
  add(
    name: 'flip' | 'call',
    parentId: string,
    startedAt: number,
    attributes: Span['attributes'],
    isFailed: boolean,
  ): void {
    const kind = 'client';
    this.#push({ name, kind, spanId: newSpanId(randomBytes), parentId, startedAt, attributes, isFailed });
  }

  batch(seq: number, { spanId, takenAt, leadCount, outcome }: Seen): void {
    const attributes = { 'batch.seq': seq, 'lead.count': leadCount, outcome: outcome ?? 'not_called' };
    const at = { spanId, parentId: this.#spanId, startedAt: takenAt };
    this.#push({ name: 'batch', kind: 'internal', ...at, attributes, isFailed: false });
  }

  end(batchCount: number): void {
    const { sessionId, sliceId } = this.#ids;
    const attributes = { 'session.id': sessionId, 'slice.id': sliceId, 'batch.count': batchCount };
    const at = { spanId: this.#spanId, parentId: this.#parent.spanId, startedAt: this.#startedAt };
    this.#push({ name: 'slice', kind: 'internal', ...at, attributes, isFailed: false });
    this.#context.waitUntil(exportSpans(this.#context.settings(), this.#spans));
  }

  #push(span: Omit<Span, 'traceId' | 'endedAt'>): void {
    this.#spans.push({ ...span, traceId: this.#parent.traceId, endedAt: this.#context.now() });
  }
}
