/**
 * What people do to a session, and what the judges may expect after each answer.
 *
 * Owns the times in which nothing may leave after a stop, and the leads for which a person accepted a second mail. A
 * command without an answer begins no such time, because nothing was promised.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../src/shared/progress.ts';
import type { LeadResult, LeadResultPage } from '../../src/shared/schemas/activation.ts';
import type { Client, Journal } from './client.ts';
import { judgeFailed } from './judge-leads.ts';
import type { MailApi } from './mail-api.ts';
import type { RiskTaken, StopWindow } from './records.ts';
import type { LastWords, Watch } from './watch.ts';

/** A session as the test follows it. */
export interface Track {
  readonly sessionId: string;
  readonly audience: ReadonlySet<number>;
  readonly words: LastWords;
  readonly stops: StopWindow[];
  readonly risks: RiskTaken[];
  isAssumedSent: boolean;
  isErased: boolean;
  failedBeforeErasure: Set<number>;
  unseenDoubts: Set<number>;
  watch: Watch | null;
}

export function newTrack(sessionId: string, audience: ReadonlySet<number>): Track {
  return {
    sessionId,
    audience,
    words: { retryAt: 0, stopAt: 0 },
    stops: [],
    risks: [],
    isAssumedSent: false,
    isErased: false,
    failedBeforeErasure: new Set(),
    unseenDoubts: new Set(),
    watch: null,
  };
}

export class Person {
  readonly #client: Client;
  readonly #mailApi: MailApi;
  readonly #journal: Journal;

  constructor(client: Client, mailApi: MailApi, journal: Journal) {
    this.#client = client;
    this.#mailApi = mailApi;
    this.#journal = journal;
  }

  pause(track: Track): Promise<boolean> {
    return this.#stop(track, 'pause');
  }

  cancel(track: Track): Promise<boolean> {
    return this.#stop(track, 'cancel');
  }

  /** Erases a paused session, and repeats until it is gone. */
  async erase(track: Track): Promise<boolean> {
    track.words.stopAt = Date.now();
    for (const { leadId } of (await this.results(track, 'email=failed')) ?? [])
      track.failedBeforeErasure.add(leadId);
    for (let attempt = 0; attempt < 50; attempt++) {
      const answer = await this.#client.send('DELETE', `/crm/activation/${track.sessionId}`);
      this.#journal.note(`erase: ${String(answer?.status ?? 'no answer')}`, track.sessionId);
      if (answer?.status === 204 || answer?.status === 404) {
        track.isErased = true;
        const fromIndex = await this.#mailApi.position();
        for (const stop of track.stops) stop.toIndex ??= fromIndex;
        track.stops.push({ sessionId: track.sessionId, command: 'erase', fromIndex, toIndex: null });
        return true;
      }
      // 202, or 409 of one that is cancelled by now: its leads are being given back. No answer: it died.
      if (answer?.status === 409) {
        if ((await this.progress(track))?.state !== 'cancelled') return false;
        await this.#stopped(track, 'cancel');
      } else if (answer !== null && answer.status !== 202) return false;
      await sleep(200);
    }
    return false;
  }

  resume(track: Track): Promise<boolean> {
    return this.#open(track, 'resume', undefined, ['pause']);
  }

  /** Retries failed mail. Before it, nobody who is listed as failed may have been mailed. */
  async retryFailed(track: Track): Promise<boolean> {
    await this.lookAtFailed(track);
    // One that is paused stays paused.
    return this.#open(track, 'retry', { outcome: 'failed' }, ['cancel']);
  }

  /** Retries unknown mail, which may mail those leads twice and nobody else. Only while no call is open. */
  async retryUnknown(track: Track): Promise<boolean> {
    const results = await this.results(track, 'email=unknown');
    if (results === null || results.length === 0 || this.#mailApi.openCount(track.sessionId) > 0)
      return false;
    track.risks.push({
      leadIds: new Set(results.map(({ leadId }) => leadId)),
      fromIndex: this.#mailApi.calls.length,
    });
    return this.#open(track, 'retry', { outcome: 'unknown' }, ['cancel']);
  }

  /** Asks under the old keys. A build that does not have the command says so and nothing happens. */
  check(track: Track): Promise<boolean> {
    return this.#open(track, 'check', undefined, ['pause', 'cancel']);
  }

  async assumeSent(track: Track): Promise<boolean> {
    track.words.retryAt = Date.now();
    track.isAssumedSent = true;
    return (await this.#command(track, 'assume-sent')) === 200;
  }

  /** Judges who is listed as failed just now. */
  async lookAtFailed(track: Track): Promise<void> {
    const failed = await this.results(track, 'email=failed');
    if (failed === null) return;
    this.#journal.violations.push(...judgeFailed(this.#mailApi.calls, track.sessionId, failed));
  }

  /** Notes leads whose call was refused a connection. Call it during the outage: later answers change the code. */
  async noteUnseenDoubts(track: Track): Promise<void> {
    for (const email of ['pending', 'unknown']) {
      for (const { leadId, code } of (await this.results(track, `email=${email}`)) ?? [])
        if (code === 'connection_lost') track.unseenDoubts.add(leadId);
    }
  }

  /** All results that match, or null when they could not be read whole. */
  async results(track: Track, filter: string): Promise<LeadResult[] | null> {
    const all: LeadResult[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const answer = await this.#client.send(
        'GET',
        `/crm/activation/${track.sessionId}/leads?limit=500&${filter}${more}`,
      );
      if (answer?.status !== 200) return null;
      const page = JSON.parse(answer.text) as LeadResultPage;
      all.push(...page.leads);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return all;
  }

  async progress(track: Track): Promise<Progress | null> {
    const answer = await this.#client.send('GET', `/crm/activation/progress/${track.sessionId}`);
    return answer?.status === 200 ? (JSON.parse(answer.text) as Progress) : null;
  }

  async #stop(track: Track, command: 'pause' | 'cancel'): Promise<boolean> {
    track.words.stopAt = Date.now();
    if ((await this.#command(track, command)) !== 200) return false;
    await this.#stopped(track, command);
    return true;
  }

  /** From here on nothing may leave, until a person says otherwise. */
  async #stopped(track: Track, command: 'pause' | 'cancel'): Promise<void> {
    const fromIndex = await this.#mailApi.position();
    const open = track.stops.find((stop) => stop.toIndex === null);
    if (open?.command === command) return;
    if (open !== undefined) open.toIndex = fromIndex;
    track.stops.push({ sessionId: track.sessionId, command, fromIndex, toIndex: null });
  }

  /** From here on mail may leave again, unless the command is refused. */
  async #open(
    track: Track,
    path: string,
    body: unknown,
    ends: readonly StopWindow['command'][],
  ): Promise<boolean> {
    track.words.retryAt = Date.now();
    const open = track.stops.filter((stop) => stop.toIndex === null && ends.includes(stop.command));
    for (const stop of open) stop.toIndex = this.#mailApi.calls.length;
    const status = await this.#command(track, path, body);
    track.words.retryAt = Date.now();
    if (status !== null && status !== 200) for (const stop of open) stop.toIndex = null;
    return status === 200;
  }

  /** @returns the status, null when it was not answered */
  async #command(track: Track, path: string, body?: unknown): Promise<number | null> {
    const answer = await this.#client.send('POST', `/crm/activation/${track.sessionId}/${path}`, body);
    this.#journal.note(
      `${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}: ${String(answer?.status ?? 'no answer')}`,
      track.sessionId,
    );
    return answer?.status ?? null;
  }
}
