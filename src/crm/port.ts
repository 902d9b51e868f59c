/**
 * CrmPort: the interface of every foreign CRM to a session and to a pull.
 *
 * A CRM sets fields of records to absolute values by record id, and reads the members of a list by cursor. Setting the
 * values of *not active* is the undo. Owns the interface only. A port does not retry, wait for a permit or store anything.
 * Invariant: every call may be repeated.
 *
 * @module
 */
import type { PushOutcome } from '../core/crm/push.ts';
import type { CrmAllowance, CrmField } from '../shared/crm.ts';
import type { ExternalId } from '../shared/schemas/leads.ts';

/** The CRM that a session was started with, and what it sets there. */
export interface CrmTarget {
  /** `CRM_PROVIDER`. */
  provider: string;
  /** Host of its API: another one is another account. */
  host: string;
  /** The {@link ExternalId.source} of its records. */
  source: string;
  /** Fields and values of an active record. */
  active: Readonly<Record<string, string>>;
  /** Fields and values of a record that is not. */
  undone: Readonly<Record<string, string>>;
}

/** A lead's record in the CRM. */
export interface CrmRecord {
  leadId: number;
  recordId: string;
}

export interface SetCall {
  sessionId: string;
  /** Names the batch in the receiver's log; null for an undo of leads of several. */
  batch: number | null;
  /**
   * Never falls within a session, and rises with each slice and each giving back: a receiver that has carried out a
   * higher one for a record can leave a lower one out.
   */
  order: number;
  /** Fields and values. */
  set: Readonly<Record<string, string>>;
  records: readonly CrmRecord[];
  /** Checked directly before the call; false: a command came and nothing may leave. */
  mayLeave?: () => boolean;
  /** Aborts when the wait for the answer ends. */
  signal: AbortSignal;
}

/** A member of a list as the CRM has it: its id, and its fields by their names there. */
export interface CrmContact {
  recordId: string;
  fields: Readonly<Record<string, string>>;
}

/** Why a read gave nothing. */
type ReadFault = Exclude<PushOutcome, { kind: 'set' | 'notSent' }>;

export type ListPage =
  | { kind: 'ok'; contacts: CrmContact[]; next: string | null }
  | { kind: 'not_found'; message: string }
  | ReadFault;

export type FieldList = { kind: 'ok'; fields: CrmField[] } | ReadFault;

export interface ListCall {
  listId: string;
  /** Of the page before; null: the first one. */
  cursor: string | null;
  /** The fields that are wanted, by their names in the CRM. */
  fields: readonly string[];
  signal: AbortSignal;
}

export interface CrmPort {
  readonly target: CrmTarget;
  /** Its own name for itself. */
  readonly title: string;
  /** Records in one call. */
  readonly maxBatch: number;
  /** Calls a second that the account may make. */
  readonly ratePerSecond: number;
  /** Makes one call. Never throws: every fault is an outcome. */
  set(call: SetCall): Promise<PushOutcome>;
  /** Makes one harmless call that needs the key. */
  test(signal: AbortSignal): Promise<Exclude<PushOutcome, { kind: 'notSent' }>>;
  /** Reads a page of a list; not there where the CRM cannot be pulled from. */
  readonly readList?: (call: ListCall) => Promise<ListPage>;
  /** Calls of the CRM for each page of a list: so many permits. */
  readonly callsPerPage?: number;
  /** Fields of the CRM and the lead fields that a pulled list fills from them, where nobody has chosen others. */
  readonly usualFields: Readonly<Record<string, string>>;
  /** Reads which fields its contacts have; not there where the CRM does not say it. */
  readonly readFields?: (signal: AbortSignal) => Promise<FieldList>;
  /** Calls of the CRM for its fields: so many permits. */
  readonly callsForFields?: number;
  /** The allowance of calls, as the last answer had it; null or not there: the CRM does not say it. */
  readonly allowance?: CrmAllowance | null;
}

/** The external id of a record. */
export const externalIdOf = ({ source }: CrmTarget, recordId: string): ExternalId => ({
  source,
  id: recordId,
});
