/**
 * One round: two sessions over overlapping audiences, with faults, an outage, kills and random commands. Then the faults
 * end, the sessions come to their end, and the round is judged.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'csv-parse/sync';
import { isTerminal, type Issue, type Progress } from '../../src/shared/progress.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import type { BareProduct } from '../support/product.ts';
import { Journal, type Client } from './client.ts';
import { addressPart, Crm } from './crm.ts';
import { judgeRound } from './judge-leads.ts';
import { isMoving, Killer, type Recovery } from './kills.ts';
import { nameOfOutage, type Outage, type Provider } from './mail-faults.ts';
import type { MailApi } from './mail-api.ts';
import { newTrack, Person, type Track } from './person.ts';
import type { SessionRecord, Violation } from './records.ts';
import { Storm } from './storm.ts';
import { watchSession } from './watch.ts';

/** Where a kill is aimed; `settings` and `provider` bring it back with other settings for one life. */
export const aims = [
  'running',
  'start',
  'planning',
  'paused',
  'command',
  'boot',
  'settings',
  'last',
  'provider',
] as const;
export type Aim = (typeof aims)[number];

export interface RoundOptions {
  number: number;
  random: () => number;
  product: BareProduct;
  client: Client;
  mailApi: MailApi;
  provider: Provider;
  leadCount: number;
  aims: readonly Aim[];
  /** Chance of a call to meet a fault while the storm lasts. */
  faultChance: number;
  /** Null: this round has none. */
  outage: { kind: Outage; ms: number } | null;
}

export interface RoundReport {
  violations: Violation[];
  excusedCount: number;
  killCount: number;
  inFlightKillCount: number;
  recoveries: Recovery[];
  viewCount: number;
  stopCount: number;
  callCount: number;
  mailCount: number;
  journal: Journal;
  /** Ends of the sessions, in words. */
  ends: string[];
}

/** The storm goes on for so long after the last kill, at most. */
const maxStormMs = 30_000;
/** The end comes within this time once all is well and everybody who is needed has said "resume". */
const maxEndMs = 90_000;
/** The list of activations has the last numbers within this time. */
const maxListMs = 5_000;
/** A provider that is back is used again within this time; what hangs is given up after 30 s first. */
const maxReturnMs = 8_000;
const deliveryTimeoutMs = 30_000;

const brokenSettings = { MAIL_FROM: 'nobody' };

export class Round {
  readonly #options: RoundOptions;
  readonly #journal = new Journal();
  readonly #crm: Crm;
  readonly #person: Person;
  readonly #killer: Killer;
  readonly #tracks: Track[] = [];
  /** Then a pause may have a reason that the provider never gave. */
  #wereSettingsBroken = false;

  constructor(options: RoundOptions) {
    this.#options = options;
    const { client, mailApi, product, random, number } = options;
    client.journal = this.#journal;
    this.#crm = new Crm(client, number);
    this.#person = new Person(client, mailApi, this.#journal);
    this.#killer = new Killer({
      product,
      client,
      mailApi,
      random,
      person: this.#person,
      journal: this.#journal,
    });
  }

  async play(): Promise<RoundReport> {
    const { mailApi, random, client, leadCount } = this.#options;
    const firstCall = mailApi.calls.length;
    const importId = await this.#crm.importLeads(leadCount);
    const leadIds = (await this.#crm.leads(`&importId=${importId}`)).map(({ id }) => id);
    const aimsLeft = [...this.#options.aims];
    const takeAim = (aim: Aim): boolean => {
      const at = aimsLeft.indexOf(aim);
      if (at >= 0) aimsLeft.splice(at, 1);
      return at >= 0;
    };

    mailApi.faultChance = this.#options.faultChance;
    // The first has ids, the second is whoever matches, without the first's beginning.
    const overlapFrom = Math.floor(leadCount * 0.3);
    const one = leadIds.slice(0, Math.floor(leadCount * 0.7));
    await this.#start(
      { leadIds: one },
      one,
      takeAim('start') ? 'before' : takeAim('planning') ? 'after' : null,
    );
    await sleep(random() * 800);
    await this.#start(
      { filter: { importId }, excludedIds: leadIds.slice(0, overlapFrom) },
      leadIds.slice(overlapFrom),
      takeAim('planning') ? 'after' : null,
    );

    const [first, second] = this.#tracks as [Track, Track];
    const storm = new Storm({
      ...{ random, client, mailApi, leadIds, crm: this.#crm, person: this.#person, tracks: this.#tracks },
      mayCancel: new Set([...(random() < 0.3 ? [first] : []), ...(random() < 0.4 ? [second] : [])]),
      mayErase: new Set([...(random() < 0.15 ? [first] : []), ...(random() < 0.35 ? [second] : [])]),
    });
    const running = storm.run();
    if (this.#options.outage !== null) await this.#outage(storm, this.#options.outage);
    for (const aim of aimsLeft) {
      await sleep(1_000 + random() * 4_000);
      await this.#killAt(aim, storm);
    }
    // On while there is work, and for a while after it: what has ended can be retried.
    for (let waited = 0; waited < maxStormMs && this.#tracks.some(isMoving); waited += 250) await sleep(250);
    await sleep(3_000 + random() * 5_000);
    storm.end();
    await running;

    mailApi.faultChance = 0;
    await mailApi.recover();
    await this.#untilEnd();
    const record = await this.#record(leadIds, firstCall);
    for (const track of this.#tracks) await track.watch?.stop();
    const { violations, excusedCount } = judgeRound(record);
    const complaints = mailApi.complaints
      .splice(0)
      .map((words): Violation => ({ rule: 'calls are well-formed', words }));
    return {
      violations: [...this.#journal.violations, ...violations, ...complaints],
      excusedCount,
      killCount: this.#killer.kills.length,
      inFlightKillCount: this.#killer.inFlightKillCount,
      recoveries: this.#killer.recoveries,
      viewCount: this.#tracks.reduce((sum, track) => sum + (track.watch?.viewCount ?? 0), 0),
      stopCount: record.stops.length,
      callCount: record.calls.length - firstCall,
      mailCount: record.calls.reduce((sum, call) => sum + call.takenLeadIds.length, 0),
      journal: this.#journal,
      ends: record.sessions.map(endOf),
    };
  }

  /** Starts a session, as a client does: the same request again until it is answered. */
  async #start(
    audience: unknown,
    leadIds: readonly number[],
    kill: 'before' | 'after' | null,
  ): Promise<void> {
    const { client, random, mailApi } = this.#options;
    const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
    const track = newTrack(sessionId, new Set(leadIds));
    const body = { sessionId, name: 'Killed', audience, templateId: 'welcome' };
    const callsBefore = mailApi.calls.length;
    const request = client.send('POST', '/crm/activation', body);
    let answer = kill === 'before' ? null : await request;
    if (kill !== null) {
      await sleep(random() * 80);
      await this.#killer.kill(kill === 'before' ? 'during start' : 'during planning');
      await request;
      await this.#killer.boot({});
      if (answer !== null) await this.#killer.awaitWork(this.#tracks, callsBefore);
    }
    for (let attempt = 0; answer === null && attempt < 5; attempt++) {
      answer = await client.send('POST', '/crm/activation', body);
    }
    this.#journal.note(`start: ${String(answer?.status)}`, sessionId);
    if (answer === null || answer.status > 201) throw new Error(`start: ${answer?.text ?? 'no answer'}`);
    track.watch = watchSession(client, this.#journal, track, addressPart);
    this.#tracks.push(track);
  }

  /** Kills the product at one of the moments that matter, and brings it back. */
  async #killAt(aim: Aim, storm: Storm): Promise<void> {
    const { random, mailApi, provider } = this.#options;
    const callsBefore = mailApi.calls.length;
    const track = this.#tracks[Math.floor(random() * this.#tracks.length)];
    if (track === undefined) return;
    switch (aim) {
      case 'paused':
        await storm.suspend();
        await this.#person.pause(track);
        await sleep(random() * 500);
        break;
      case 'command':
        await storm.suspend();
        // The kill follows the answer to whatever command is drawn.
        await storm.next();
        break;
      case 'last':
        for (let waited = 0; waited < 8_000 && this.#tracks.some(isMoving); waited += 50) await sleep(50);
        break;
      case 'running':
      case 'boot':
      case 'start':
      case 'planning':
      case 'settings':
      case 'provider':
        for (let waited = 0; waited < 3_000 && mailApi.calls.length === callsBefore; waited += 20)
          await sleep(20);
        await sleep(random() * 1_600);
        break;
      default:
        aim satisfies never;
    }
    await this.#killer.kill(aim);
    storm.isSuspended = true;
    if (aim === 'settings' || aim === 'provider') {
      this.#wereSettingsBroken = true;
      const other = provider === 'resend' ? 'postmark' : 'resend';
      await this.#killer.boot(aim === 'settings' ? brokenSettings : { MAIL_PROVIDER: other });
      // Commands under broken settings, but none that lets the other provider send the rest.
      for (let count = 0; count < 3; count++) {
        await sleep(300 + random() * 700);
        if (random() < 0.6 && !track.isErased) await this.#person[random() < 0.7 ? 'pause' : 'cancel'](track);
      }
      await sleep(1_500);
      await this.#killer.kill('to restore the settings');
      await this.#killer.boot({});
      await sleep(500);
    } else {
      const calls = mailApi.calls.length;
      await this.#killer.boot({}, aim === 'boot' ? 1 : 0);
      if (aim !== 'boot') await this.#killer.awaitWork(this.#tracks, calls);
      // A pause holds through a kill.
      if (aim === 'paused') {
        await sleep(1_000);
        await this.#person.resume(track);
      }
    }
    storm.isSuspended = false;
  }

  /** An outage of the mail API with nobody there; measures how soon it is used again. */
  async #outage(storm: Storm, { kind, ms }: { kind: Outage; ms: number }): Promise<void> {
    const { mailApi } = this.#options;
    await storm.suspend();
    const chance = mailApi.faultChance;
    mailApi.faultChance = 0;
    for (const track of this.#tracks) if (!track.isErased) await this.#person.resume(track);
    await sleep(600);
    if (this.#tracks.some(isMoving)) {
      await mailApi.begin(kind);
      this.#journal.note(`outage: ${nameOfOutage(kind)}`);
      await sleep(ms);
      // workerd reports a refused connection like one that was lost after the request: the product must doubt it.
      if (kind.kind === 'refused') {
        for (const track of this.#tracks) if (!track.isErased) await this.#person.noteUnseenDoubts(track);
      }
      await mailApi.recover();
      const recoveredAt = Date.now();
      this.#journal.note('the outage is over');
      const callsBefore = mailApi.calls.length;
      const maxMs = maxReturnMs + (kind.kind === 'hang' ? deliveryTimeoutMs : 0);
      const isBack = (): boolean =>
        mailApi.calls.slice(callsBefore).some(({ answer }) => answer === 'accepted');
      while (!isBack() && Date.now() - recoveredAt < maxMs + 60_000) await sleep(20);
      const tookMs = Date.now() - recoveredAt;
      const what = `outage of ${String(Math.round(ms / 1_000))} s (${nameOfOutage(kind)})`;
      this.#killer.recoveries.push({ what, ms: tookMs, maxMs });
      const words = `${what}: ${isBack() ? `back after ${String(tookMs)} ms` : 'not back'}, at most ${String(maxMs)} ms`;
      this.#journal.note(words);
      if (tookMs > maxMs) {
        const states = this.#tracks.map(
          ({ watch }) => `${String(watch?.view?.state)} ${String(watch?.view?.reason)}`,
        );
        this.#journal.violations.push({
          rule: 'back by itself soon after an outage',
          words: `${words}; ${states.join(', ')}`,
        });
      }
    }
    mailApi.faultChance = chance;
    storm.isSuspended = false;
  }

  /** All is well: who is needed says "resume", and each session ends. */
  async #untilEnd(): Promise<void> {
    const { mailApi } = this.#options;
    const deadline = Date.now() + maxEndMs;
    const open = new Set(this.#tracks.filter((track) => !track.isErased));
    let isCancelling = false;
    while (open.size > 0) {
      for (const track of open) {
        const progress = await this.#person.progress(track);
        if (progress === null) continue;
        if (isTerminal(progress)) open.delete(track);
        else if (progress.state === 'paused' && progress.reason !== 'mail_unreachable') {
          this.#checkReason(track, progress);
          await this.#person.resume(track);
        }
      }
      await sleep(200);
      if (Date.now() < deadline) continue;
      if (isCancelling) {
        for (const track of open) this.#stuck(track, 'a cancelled session ends');
        return;
      }
      isCancelling = true;
      for (const track of open) {
        // An error that the provider remembers under the key for a day is waited for longer than a round lasts.
        if (mailApi.rules.remembersErrors !== true) this.#stuck(track, 'a session ends once all is well');
        await this.#person.cancel(track);
      }
      await sleep(10_000);
    }
  }

  #stuck(track: Track, rule: string): void {
    this.#journal.violations.push({
      rule,
      words: JSON.stringify(track.watch?.view),
      sessionId: track.sessionId,
    });
  }

  /** A pause that needs a person has a reason that the provider gave in its own words, or the settings. */
  #checkReason(track: Track, { reason, lastError }: Progress): void {
    if (this.#wereSettingsBroken) return;
    const calls = this.#options.mailApi.calls.filter(({ sessionId }) => sessionId === track.sessionId);
    const saidSo = (word: string): boolean => calls.some(({ fault }) => fault.startsWith(word));
    const isUnfounded =
      (reason === 'mail_auth' && !saidSo('auth')) || (reason === 'mail_quota' && !saidSo('quota'));
    if (isUnfounded)
      this.#journal.violations.push({
        rule: 'a foreign answer is an outage',
        words: `it waits for a person as ${reason} (${String(lastError)}), which the provider never said`,
        sessionId: track.sessionId,
      });
  }

  async #record(leadIds: readonly number[], firstCall: number): Promise<Parameters<typeof judgeRound>[0]> {
    const { mailApi } = this.#options;
    const ids = new Set(leadIds);
    const sessions: SessionRecord[] = [];
    for (const track of this.#tracks) sessions.push(await this.#recordOf(track));
    return {
      leads: (await this.#crm.leads()).filter(({ id }) => ids.has(id)),
      sessions,
      // Indexes of stops are places in the whole book.
      calls: mailApi.calls.map((call) =>
        call.index < firstCall ? { ...call, sessionId: '', leadIds: [], takenLeadIds: [] } : call,
      ),
      kills: this.#killer.kills,
      stops: this.#tracks.flatMap(({ stops }) => stops),
    };
  }

  async #recordOf(track: Track): Promise<SessionRecord> {
    const { client } = this.#options;
    const { sessionId, audience, risks, isAssumedSent, failedBeforeErasure, unseenDoubts } = track;
    const base = { sessionId, audience, risks, isAssumedSent, failedBeforeErasure, unseenDoubts };
    if (track.isErased) return { ...base, final: null };
    const endedAt = Date.now();
    const progress = await client.ask<Progress>(`/crm/activation/progress/${sessionId}`);
    let listed = await this.#crm.listed(sessionId);
    while (listed?.rev !== progress.rev && Date.now() - endedAt < maxListMs) {
      await sleep(100);
      listed = await this.#crm.listed(sessionId);
    }
    const results = (await this.#person.results(track, '')) ?? [];
    const csv = await client.send('GET', `/crm/activation/${sessionId}/leads.csv`);
    const issues = await client.ask<{ issues: Issue[] }>(`/crm/activation/${sessionId}/issues`);
    const unlistedCount = issues.issues
      .filter(({ code }) => code === 'unlisted')
      .reduce((sum, { count }) => sum + count, 0);
    return {
      ...base,
      final: { progress, listed, results, csv: csvLines(csv?.text ?? ''), unlistedCount },
    };
  }
}

function csvLines(text: string): { leadId: number; activation: string; emailState: string }[] {
  const lines: Record<string, string>[] = parse(text, { columns: true, bom: true });
  return lines.map(({ leadId, activation = '', emailState = '' }) => ({
    leadId: Number(leadId),
    activation,
    emailState,
  }));
}

function endOf({ sessionId, final }: SessionRecord): string {
  if (final === null) return `${sessionId} erased`;
  const { state, total, activation, email } = final.progress;
  return (
    `${sessionId} ${state}: ${String(total)} = ${String(email.sent)} sent + ${String(email.failed)} failed + ` +
    `${String(email.unknown)} unknown + ${String(activation.skipped)} skipped`
  );
}
