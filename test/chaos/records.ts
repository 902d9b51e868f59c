/**
 * What one round of the kill test knows at its end, as plain data, and what can be wrong with it.
 *
 * @module
 */
import type { Progress } from '../../src/shared/progress.ts';
import type { LeadResult } from '../../src/shared/schemas/activation.ts';
import type { Call } from './mail-api.ts';

/** A promise that was broken. */
export interface Violation {
  /** The promise; the same text for every breach of it. */
  rule: string;
  /** What was seen. */
  words: string;
  sessionId?: string;
  leadId?: number;
}

/** A lead of the CRM as it is at the end. */
export interface FinalLead {
  id: number;
  status: 'new' | 'active';
  activatedBy: string | null;
}

/** A time in which nothing of a session may leave: places in the order of calls. */
export interface StopWindow {
  sessionId: string;
  command: 'pause' | 'cancel' | 'erase';
  /** The first call that was not on the wire when the answer came. */
  fromIndex: number;
  /** The first call after a person set it going again; null: nobody did. */
  toIndex: number | null;
}

/** A command that may mail somebody twice. */
export interface RiskTaken {
  leadIds: ReadonlySet<number>;
  /** Calls before it are not excused by it. */
  fromIndex: number;
}

/** What is known of one session at the end. */
export interface SessionRecord {
  sessionId: string;
  audience: ReadonlySet<number>;
  /** Null when it was erased. */
  final: {
    progress: Progress;
    /** As the list of activations has it; null when it is not in it. */
    listed: Progress | null;
    results: readonly LeadResult[];
    /** Lines of the CSV, without its header. */
    csv: readonly { leadId: number; activation: string; emailState: string }[];
    /** Leads that are counted and are no lines of the results. */
    unlistedCount: number;
  } | null;
  /** Leads that had failed when the session was erased. */
  failedBeforeErasure: ReadonlySet<number>;
  /** Leads in doubt after a refused connection; the mail API has no record of such a call. */
  unseenDoubts: ReadonlySet<number>;
  risks: readonly RiskTaken[];
  /** A person said "take as sent" of what was unknown. */
  isAssumedSent: boolean;
}

export interface RoundRecord {
  leads: readonly FinalLead[];
  sessions: readonly SessionRecord[];
  calls: readonly Call[];
  /** When the product was killed, epoch milliseconds. */
  kills: readonly number[];
  stops: readonly StopWindow[];
}
