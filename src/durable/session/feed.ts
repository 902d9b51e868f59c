/**
 * Feed: the live view of one session as server-sent events (docs/PROTOCOL.md).
 *
 * Owns open readers, coalescing, keep-alive, rotation and dropping readers that do not read. It asks for the newest
 * view when it sends, so a slow reader skips views and memory stays bounded.
 * Invariants: ids rise on each stream; without a reader nothing is computed and no timer runs; the last event of a
 * finished session is `end`, then the stream closes.
 *
 * @module
 */
import { isTerminal, type Issue, type Progress } from '../../shared/progress.ts';

export interface FeedSource {
  /** The newest view; null when the session does not exist (any more). */
  progress(): Progress | null;
  issues(): Issue[];
  now(): number;
  /** Called now and then while there is a reader; it checks the session's alarm. */
  look(): void;
}

/**
 * Not quite seven views a second on average: more are not noticed, because the bars are animated. A session of five
 * calls a second has one result every 200 ms. With an interval of just that, a view that waited once would make all
 * later ones wait.
 */
const viewIntervalMs = 150;
/**
 * Views that may be sent at once after a time without any. With two, results that come every 200 ms, now a little
 * early and now a little late, are all sent without a wait.
 */
const burstViewCount = 2;
/** Proxies cut a connection that is silent for 30 to 100 seconds. */
const keepAliveMs = 15_000;
/**
 * Cloudflare's edge cuts streams after about five minutes, and a cancel that is not noticed would keep a stream
 * forever. Checked with each keep-alive, so that a stream ends before its five minutes.
 */
const maxAgeMs = 280_000;
/** Issues are counted over all batches that have some. A session in which everything fails must not do that with each view. */
const issuesIntervalMs = 5_000;
/** Unread events that are held for one reader. */
const maxQueuedCount = 4;
/** A reader that took nothing for this long is gone. */
const maxBehindMs = 30_000;

interface Reader {
  controller: ReadableStreamDefaultController<Uint8Array>;
  openedAt: number;
  sentRev: number;
  sentIssueCount: number;
  sentIssuesAt: number;
  behindSince: number | null;
  /** True if it was sent the stall of this revision. */
  sentStall: boolean;
}

const encoder = new TextEncoder();

export class Feed {
  readonly #source: FeedSource;
  readonly #readers = new Set<Reader>();
  #flushTimer: ReturnType<typeof setTimeout> | null = null;
  #keepAliveTimer: ReturnType<typeof setInterval> | null = null;
  /** Runs while a reader is behind. */
  #catchUpTimer: ReturnType<typeof setTimeout> | null = null;
  /** When the pending flush is due; meaningless without one. */
  #flushAt = 0;
  /** When the allowance of views is whole again. Each view moves it ahead by one interval. */
  #allowedAt = 0;

  constructor(source: FeedSource) {
    this.#source = source;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /**
   * Opens a stream.
   *
   * @param lastRev - the rev that the reader has (`Last-Event-ID`), or null; a rev that was never reached counts as
   *   null
   */
  connect(lastRev: number | null): ReadableStream<Uint8Array> {
    let reader: Reader | null = null;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const view = this.#view();
          const isBelieved = lastRev !== null && view !== null && lastRev <= view.progress.rev;
          reader = {
            controller,
            openedAt: this.#source.now(),
            sentRev: isBelieved ? lastRev : -1,
            sentIssueCount: 0,
            sentIssuesAt: -issuesIntervalMs,
            behindSince: null,
            sentStall: false,
          };
          this.#readers.add(reader);
          this.#keepAliveTimer ??= setInterval(() => this.#keepAlive(), keepAliveMs);
          controller.enqueue(encoder.encode('retry: 2000\n\n'));
          this.#send(reader, view);
        },
        cancel: () => {
          if (reader !== null) this.#drop(reader);
        },
      },
      { highWaterMark: maxQueuedCount },
    );
  }

  /**
   * Something has changed: readers get it at once, or within {@link viewIntervalMs} if they were sent views lately.
   *
   * @param canWait - true for a change that is followed by a result soon, such as a call that leaves: readers get it
   *   with that result, or after the interval
   */
  publish(canWait = false): void {
    if (this.#readers.size === 0) return;
    const nowMs = this.#source.now();
    const readyMs = this.#allowedAt - (burstViewCount - 1) * viewIntervalMs - nowMs;
    // Never longer than the interval, also if the clock was set back.
    const delayMs = canWait ? viewIntervalMs : Math.min(viewIntervalMs, Math.max(0, readyMs));
    if (this.#flushTimer !== null) {
      if (this.#flushAt <= nowMs + delayMs) return;
      clearTimeout(this.#flushTimer);
    }
    this.#flushAt = nowMs + delayMs;
    this.#flushTimer = setTimeout(() => this.#flush(), delayMs);
  }

  /** Ends all streams with `deleted`: the session was erased. */
  closeDeleted(sessionId: string): void {
    for (const reader of [...this.#readers]) {
      this.#enqueue(reader, sse('deleted', { sessionId }, null));
      this.#close(reader);
    }
  }

  #flush(): void {
    this.#flushTimer = null;
    const view = this.#view();
    let isNews = false;
    for (const reader of [...this.#readers]) isNews = this.#send(reader, view) || isNews;
    // A flush that brings nobody anything takes nothing from the allowance of the result after it.
    if (!isNews) return;
    const nowMs = this.#source.now();
    const spentAt = nowMs + burstViewCount * viewIntervalMs;
    this.#allowedAt = Math.min(spentAt, Math.max(nowMs, this.#allowedAt) + viewIntervalMs);
  }

  /** The newest view, encoded once for all readers. */
  #view(): View | null {
    const progress = this.#source.progress();
    if (progress === null) return null;
    return new View(progress, this.#source);
  }

  /** @returns true where the reader was sent something, or its stream was closed */
  #send(reader: Reader, view: View | null): boolean {
    if (view === null) {
      this.#close(reader);
      return true;
    }
    const { progress } = view;
    const isOver = isTerminal(progress);
    if (progress.rev <= reader.sentRev && !isOver) return false;
    if (!hasRoom(reader)) {
      this.#fallBehind(reader);
      return false;
    }
    reader.behindSince = null;
    this.#sendIssues(reader, view);
    reader.sentRev = progress.rev;
    reader.sentStall = view.isStalled;
    this.#enqueue(reader, isOver ? view.endEvent : view.progressEvent);
    if (isOver) this.#close(reader);
    return true;
  }

  /** @returns true where there are issues that the reader does not have, and it is time for them */
  #sendIssues(reader: Reader, view: View): boolean {
    const nowMs = this.#source.now();
    const isTime = isTerminal(view.progress) || nowMs - reader.sentIssuesAt >= issuesIntervalMs;
    if (view.issueCount === reader.sentIssueCount || !isTime) return false;
    const { issuesEvent } = view;
    reader.sentIssueCount = view.issueCount;
    reader.sentIssuesAt = nowMs;
    this.#enqueue(reader, issuesEvent);
    return true;
  }

  /**
   * The reader has not taken its events. The feed looks at it every interval. No `pull` callback tells that it reads: one
   * for each event made 1,000 readers wait a third longer.
   */
  #fallBehind(reader: Reader): void {
    reader.behindSince ??= this.#source.now();
    this.#catchUpTimer ??= setTimeout(() => this.#catchUp(), viewIntervalMs);
  }

  /** Readers that read again get the newest view. */
  #catchUp(): void {
    const behind = [...this.#readers].filter(({ behindSince }) => behindSince !== null);
    // First of all: where the view cannot be read now, the next look tries again.
    this.#catchUpTimer = behind.length === 0 ? null : setTimeout(() => this.#catchUp(), viewIntervalMs);
    const ready = behind.filter(hasRoom);
    if (ready.length === 0) return;
    const view = this.#view();
    for (const reader of ready) {
      reader.behindSince = null;
      this.#send(reader, view);
    }
  }

  #keepAlive(): void {
    const nowMs = this.#source.now();
    this.#source.look();
    const view = this.#view();
    for (const reader of [...this.#readers]) {
      const isFull = !hasRoom(reader);
      const isStuck = isFull && reader.behindSince !== null && nowMs - reader.behindSince > maxBehindMs;
      const ageMs = nowMs - reader.openedAt;
      if (isStuck) this.#abandon(reader);
      // Before its own start: the clock was set back.
      else if (ageMs > maxAgeMs || ageMs < 0) this.#close(reader);
      else if (isFull) this.#fallBehind(reader);
      // What a flush that failed owes, and issues that came too soon after others.
      else if (view !== null && (this.#send(reader, view) || this.#sendIssues(reader, view))) continue;
      else if (view !== null && view.isStalled && !reader.sentStall) {
        // Nothing was written, so there is no new revision, and no id.
        this.#enqueue(reader, sse('progress', view.progress, null));
        reader.sentStall = true;
      } else this.#enqueue(reader, encoder.encode(': keep-alive\n\n'));
    }
  }

  #enqueue(reader: Reader, bytes: Uint8Array): void {
    try {
      reader.controller.enqueue(bytes);
    } catch {
      // Cancelled by the client between two events.
      this.#drop(reader);
    }
  }

  #close(reader: Reader): void {
    this.#drop(reader);
    try {
      reader.controller.close();
    } catch {
      // It is closed already.
    }
  }

  /** An error, not a close: a close would keep what is queued for a reader that takes nothing. */
  #abandon(reader: Reader): void {
    this.#drop(reader);
    reader.controller.error(new Error('The reader does not read.'));
  }

  #drop(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    if (this.#keepAliveTimer !== null) clearInterval(this.#keepAliveTimer);
    if (this.#flushTimer !== null) clearTimeout(this.#flushTimer);
    if (this.#catchUpTimer !== null) clearTimeout(this.#catchUpTimer);
    this.#keepAliveTimer = null;
    this.#flushTimer = null;
    this.#catchUpTimer = null;
  }
}

/** False while its buffer is full, or its stream is closed. */
const hasRoom = ({ controller }: Reader): boolean => (controller.desiredSize ?? 0) > 0;

/** One view and its encodings, each made when the first reader needs it. */
class View {
  readonly progress: Progress;
  readonly #source: FeedSource;
  #progressEvent: Uint8Array | null = null;
  #issuesEvent: Uint8Array | null = null;
  #endEvent: Uint8Array | null = null;

  constructor(progress: Progress, source: FeedSource) {
    this.progress = progress;
    this.#source = source;
  }

  get isStalled(): boolean {
    return this.progress.stalledSince !== null;
  }

  get issueCount(): number {
    return this.progress.email.failed + this.progress.email.unknown + this.progress.activation.failed;
  }

  get progressEvent(): Uint8Array {
    return (this.#progressEvent ??= sse('progress', this.progress, this.progress.rev));
  }

  get issuesEvent(): Uint8Array {
    return (this.#issuesEvent ??= sse(
      'issues',
      { rev: this.progress.rev, issues: this.#source.issues() },
      null,
    ));
  }

  get endEvent(): Uint8Array {
    return (this.#endEvent ??= sse('end', this.progress, this.progress.rev));
  }
}

/** One event; JSON has no line breaks, so `data:` is one line. */
function sse(event: string, data: object, id: number | null): Uint8Array {
  return encoder.encode(
    `${id === null ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
  );
}
