/**
 * The promises of taking back, as code: which leads become new again, and how they are counted.
 *
 * Owns a record of its own: what each lead was when an activation set it active, and which leads became new again. It
 * looks at the CRM's rows before and after each transaction, and asks no revision and no mark of the product.
 *
 * @module
 */
import type { TakeBackChoice, TakeBackManifest, TakeBackProgress } from '../../src/shared/take-back.ts';
import type { Request, SimDatabase } from './platform/d1.ts';

export type TakeBackInvariant =
  | 'what was changed since stays'
  | 'only what was chosen is taken back'
  | 'mailed leads only when chosen'
  | 'what was chosen is taken back'
  | 'a taking back adds up'
  | 'a lead taken back keeps the time of its mail';

interface LeadRow {
  status: 'new' | 'active';
  owner: string | null;
  mailedAt: number | null;
  content: string;
}

/** What a lead was when it was set active. */
interface Flipped {
  sessionId: string;
  content: string;
  /** Before. */
  mailedAt: number | null;
}

interface Revert {
  sessionId: string;
  leadId: number;
  /** True time. */
  at: number;
  wasMailed: boolean;
}

export interface TakenBackParts {
  crm: SimDatabase;
  nowMs(): number;
  /** The result of a lead by the rows of a session. */
  stateOf(sessionId: string, leadId: number): string | undefined;
  fail(invariant: TakeBackInvariant, detail: string): void;
}

export class TakenBack {
  /** Some session of this world may be taken back; otherwise nothing is recorded. */
  isWatched = false;
  readonly #parts: TakenBackParts;
  readonly #flipped = new Map<number, Flipped>();
  readonly #reverts: Revert[] = [];
  /** What people asked for, by session. */
  readonly #choices = new Map<string, Set<TakeBackChoice>>();
  /** Leads that a preview said would be new again in the end, by session and hash. */
  readonly #shown = new Map<string, number>();

  constructor(parts: TakenBackParts) {
    this.#parts = parts;
  }

  /** A person was shown what taking back would do. */
  shown({ sessionId, reverted, alreadyTakenBack }: TakeBackManifest, hash: string): void {
    this.#shown.set(`${sessionId} ${hash}`, reverted.count + alreadyTakenBack);
  }

  /** A person's request arrives. */
  asked(sessionId: string, choice: TakeBackChoice): void {
    const choices = this.#choices.get(sessionId) ?? new Set();
    this.#choices.set(sessionId, choices.add(choice));
  }

  /** Carries out a transaction of the CRM, and looks at what it has done to leads. */
  watch<Answer>(request: Request, run: () => Answer): Answer {
    if (!this.isWatched || !request.some(({ sql }) => isWriteOfLeads.test(sql))) return run();
    const before = this.#leads();
    const answer = run();
    const revertedBy = request.find(({ sql }) => isRevert(sql))?.params[1];
    for (const [leadId, now] of this.#leads()) {
      const was = before.get(leadId);
      if (now.status === 'active' && now.owner !== null && now.owner !== was?.owner) {
        const { owner: sessionId, content } = now;
        this.#flipped.set(leadId, { sessionId, content, mailedAt: was?.mailedAt ?? null });
      } else if (typeof revertedBy === 'string' && was?.status === 'active' && now.status === 'new') {
        this.#reverted(revertedBy, leadId, was, now);
      }
    }
    return answer;
  }

  #leads(): Map<number, LeadRow> {
    const { rows } = this.#parts.crm.rows.run(
      `SELECT id, status, activated_by AS owner, mailed_at AS mailedAt,
         json_array(email, first_name, last_name) AS content FROM leads`,
    );
    return new Map(rows.map((row) => [Number(row['id']), row as unknown as LeadRow]));
  }

  #reverted(sessionId: string, leadId: number, was: LeadRow, now: LeadRow): void {
    const { fail, stateOf, nowMs } = this.#parts;
    const flipped = this.#flipped.get(leadId);
    const lead = `lead ${leadId} by ${sessionId}`;
    const isOurs = was.owner === sessionId && flipped?.sessionId === sessionId;
    if (!isOurs || flipped.content !== was.content || now.content !== was.content) {
      fail('what was changed since stays', `${lead}: ${JSON.stringify({ flipped, was, now })}`);
    }
    const state = stateOf(sessionId, leadId);
    const wasMailed = state === 's' || state === 'u';
    if (!wasMailed && state !== 'f')
      fail('only what was chosen is taken back', `${lead} is ${state ?? 'not in it'}`);
    if (wasMailed && this.#choices.get(sessionId)?.has('all') !== true)
      fail('mailed leads only when chosen', `${lead} is ${state}`);
    const isTimeKept = wasMailed ? now.mailedAt !== null : now.mailedAt === (flipped?.mailedAt ?? null);
    if (!isTimeKept)
      fail(
        'a lead taken back keeps the time of its mail',
        `${lead}: ${JSON.stringify({ flipped, was, now })}`,
      );
    this.#reverts.push({ sessionId, leadId, at: nowMs(), wasMailed });
  }

  /** True when this session has made the lead new again. */
  hasReverted(sessionId: string, leadId: number): boolean {
    return this.#reverts.some((revert) => revert.sessionId === sessionId && revert.leadId === leadId);
  }

  /** How often a mailed lead was new again before an audience was frozen: so often a person has chosen it anew. */
  renewedCount(leadId: number, frozenAt: number): number {
    return this.#reverts.filter(
      (revert) => revert.leadId === leadId && revert.wasMailed && revert.at <= frozenAt,
    ).length;
  }

  /** Checks the numbers of a session's taking back, and once it has ended the leads that it was about. */
  check(sessionId: string, takeBack: TakeBackProgress, states: ReadonlyMap<number, string>): void {
    const { fail } = this.#parts;
    const { choice, leads, reverted, kept, failed, endedAt, manifestHash } = takeBack;
    const what = `${sessionId}: ${JSON.stringify({ choice, leads, reverted, kept, failed })}`;
    const sum = reverted + kept + failed;
    if (sum > leads || (endedAt !== null && sum !== leads)) fail('a taking back adds up', what);
    const shownCount = this.#shown.get(`${sessionId} ${manifestHash}`);
    if (shownCount !== undefined && reverted > shownCount)
      fail('a taking back adds up', `${what}; ${shownCount} were shown`);
    if (endedAt === null) return;
    const chosen = [...states].filter(
      ([, state]) => state === 'f' || (choice === 'all' && 'su'.includes(state)),
    );
    if (chosen.length !== leads)
      fail('a taking back adds up', `${what}; ${chosen.length} are chosen by the rows`);
    const present = this.#leads();
    const ours = chosen.filter(([leadId]) => this.hasReverted(sessionId, leadId));
    // Somebody may have erased some of them, or another session taken them back, before they were counted.
    const lostCount = ours.filter(
      ([leadId]) =>
        !present.has(leadId) ||
        this.#reverts.findLast((revert) => revert.leadId === leadId)?.sessionId !== sessionId,
    ).length;
    if (reverted > ours.length || reverted < ours.length - lostCount)
      fail(
        'a taking back adds up',
        `${what}; ${ours.length} became new again, ${lostCount} of them are gone`,
      );
    if (failed > 0) return;
    for (const [leadId] of chosen) {
      const lead = present.get(leadId);
      const flipped = this.#flipped.get(leadId);
      if (lead?.owner === sessionId && flipped?.sessionId === sessionId && flipped.content === lead.content)
        fail('what was chosen is taken back', `lead ${leadId} of ${sessionId} is still active`);
    }
  }
}

const isWriteOfLeads = /(?:UPDATE|INTO|FROM) leads\b/;

/** True for the statement that makes leads new again. */
export function isRevert(sql: string): boolean {
  return sql.startsWith("UPDATE leads AS l SET status = 'new'") && sql.includes('taken_back_by');
}
