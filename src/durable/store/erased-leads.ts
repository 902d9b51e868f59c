/**
 * ErasedLeads: the leads that were erased while the session knew them.
 *
 * Owns: the table `erased_lead` and a memory cache of it; losing that costs a read. A slice may still hold
 * such a lead: what is written of a batch goes through here, so that nobody is written down again.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import { erasedRecipient, type Recipient } from '../../shared/recipient.ts';

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

  /** The recipients as they may be written down. */
  without(recipients: readonly Recipient[]): readonly Recipient[] {
    const erased = this.#known();
    if (erased.size === 0) return recipients;
    return recipients.map((recipient) =>
      erased.has(recipient.leadId) ? erasedRecipient(recipient.leadId) : recipient,
    );
  }

  /** The ids of mails as they may be written down: the provider knows the person by them. */
  messageIdsWithout({ messageIds, recipients }: Batch): readonly (string | null)[] {
    const erased = this.#known();
    return (messageIds ?? []).map((id, index) => (erased.has(recipients?.[index]?.leadId ?? 0) ? null : id));
  }

  /** The cache may hold what a transaction did not write after all. */
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
