/**
 * The kill test's HTTP client: its requests may meet a product that was killed.
 *
 * A request without an answer returns null and is no error. An answer that no client should ever get is recorded.
 *
 * @module
 */
import type { Violation } from './records.ts';

export interface Answer {
  status: number;
  text: string;
  etag: string | null;
}

/** What happened, for the person who reads a failure. */
export class Journal {
  readonly events: { at: number; words: string; sessionId: string | null }[] = [];
  readonly violations: Violation[] = [];

  note(words: string, sessionId: string | null = null): void {
    this.events.push({ at: Date.now(), words, sessionId });
  }
}

/** Longer than any answer of a product that is up; wrangler's front holds requests while it boots. */
const maxAnswerMs = 15_000;

export class Client {
  /** False from a kill to the next "ready". */
  isUp = true;
  /** Of the round that is played. */
  journal = new Journal();
  readonly #url: () => string;

  constructor(url: () => string) {
    this.#url = url;
  }

  /** One request. @returns null when no answer came, as when the product is dead or dies meanwhile */
  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer | null> {
    const wasUp = this.isUp;
    try {
      const response = await fetch(this.#url() + path, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(maxAnswerMs),
      });
      const text = await response.text();
      // wrangler's front answers for a Worker that dies under it; a problem document is the Worker's own.
      const isOurs = response.headers.get('content-type')?.includes('problem+json') === true;
      if (response.status === 500 && isOurs)
        this.journal.violations.push({ rule: 'no answer is a 500', words: `${method} ${path}: ${text}` });
      if (response.status >= 500 && !isOurs && !(wasUp && this.isUp)) return null;
      return { status: response.status, text, etag: response.headers.get('etag') };
    } catch {
      return null;
    }
  }

  /** Opens a stream of events; null when there is none. */
  async open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response | null> {
    try {
      return await fetch(this.#url() + path, { headers, signal });
    } catch {
      return null;
    }
  }

  /** What a GET or a POST answers, asked again while nobody answers. @throws at any refusal */
  async ask<T>(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.send(method, path, body);
      if (answer !== null && answer.status < 300) return JSON.parse(answer.text) as T;
      if (answer !== null || attempt >= 5)
        throw new Error(`${method} ${path}: ${String(answer?.status)} ${answer?.text ?? 'no answer'}`);
    }
  }
}
