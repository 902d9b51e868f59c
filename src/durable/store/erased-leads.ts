/**
 * ErasedLeads: the leads that were erased while the session knew them.
 *
 * Owns the table `erased_lead` and a memory cache of it; losing it costs a read. A slice may still hold such a lead in
 * memory, so every write of a batch passes here and leaves the person out.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import { erasedRecipient, type Recipient } from '../../shared/recipient.ts';

/** Of its record in the connected CRM only that there was one: it is counted. */
function erasedOf({ leadId, crmRecordId }: Recipient): Recipient {
  return { ...erasedRecipient(leadId), ...(crmRecordId === undefined ? {} : { crmRecordId: '' }) };
}

export class ErasedLeads {
  readonly #sql: SqlStorage;
  #ids: Set<number> | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  has(leadId: number): boolean {
    return this.#known().has(leadId);
  }

  /** Call inside a transaction. */
  add(leadId: number): void {
    this.#sql.exec('INSERT OR IGNORE INTO erased_lead (lead_id) VALUES (?)', leadId);
    this.#ids = null;
  }

  /** The recipients, without what identifies an erased lead. */
  without(recipients: readonly Recipient[]): readonly Recipient[] {
    const erased = this.#known();
    if (erased.size === 0) return recipients;
    return recipients.map((recipient) => (erased.has(recipient.leadId) ? erasedOf(recipient) : recipient));
  }

  /** The message ids, without those of erased leads: the provider can find the person by them. */
  messageIdsWithout({ messageIds, recipients }: Batch): readonly (string | null)[] {
    const erased = this.#known();
    return (messageIds ?? []).map((id, index) => (erased.has(recipients?.[index]?.leadId ?? 0) ? null : id));
  }

  /** Drops the cache: the transaction that filled it was rolled back. */
  forget(): void {
    this.#ids = null;
  }

  #known(): ReadonlySet<number> {
    this.#ids ??= new Set(
      this.#sql
        .exec<{ lead_id: number }>('SELECT lead_id FROM erased_lead')
        .toArray()
        .map((row) => row.lead_id),
    );
    return this.#ids;
  }
}
