/**
 * The CRM side of a round: leads are imported, edited, suppressed and imported again, and read at the end.
 *
 * @module
 */
import type { ActivationList } from '../../src/shared/schemas/activation.ts';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { Client } from './client.ts';
import type { FinalLead } from './records.ts';

/** What every lead's address ends with, and nothing else that the product shows. */
export const addressPart = '@people.test';

const rowsPerChunk = 1_000;

function addressOf(round: number, number: number): string {
  return `r${String(round)}-${String(number)}${addressPart}`;
}

export class Crm {
  readonly #client: Client;
  readonly #round: number;
  #importCount = 0;
  #editCount = 0;

  constructor(client: Client, round: number) {
    this.#client = client;
    this.#round = round;
  }

  /** Imports the round's leads. @returns the import's id */
  async importLeads(count: number): Promise<string> {
    return this.#import(
      Array.from({ length: count }, (_, at) => [addressOf(this.#round, at + 1), `First${String(at)}`]),
    );
  }

  /** Imports some of them again, with other names, as a second file of the same people does. */
  async importOver(numbers: readonly number[]): Promise<void> {
    await this.#import(
      numbers.map((number) => [addressOf(this.#round, number), `Again${String(this.#importCount)}`]),
    );
  }

  async #import(rows: readonly (readonly string[])[]): Promise<string> {
    const importId = `chaos_${String(this.#round)}_${String(++this.#importCount)}_${String(Date.now())}`;
    await this.#client.ask('/crm/imports', {
      importId,
      fileName: 'people.csv',
      mapping: { email: [0], firstName: [1] },
      consentSource: 'kill test',
    });
    for (let from = 0; from < rows.length; from += rowsPerChunk) {
      await this.#client.ask(
        `/crm/imports/${importId}/chunks/${String(from / rowsPerChunk)}`,
        {
          rows: rows.slice(from, from + rowsPerChunk).map((cells, at) => ({ line: from + at + 1, cells })),
        },
        'PUT',
      );
    }
    await this.#client.ask(`/crm/imports/${importId}/finish`, {});
    return importId;
  }

  /** Leads by rising id: those of an import, or all there are (an import over them makes them its own). */
  async leads(filter = ''): Promise<FinalLead[]> {
    const leads: FinalLead[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: LeadPage = await this.#client.ask(`/crm/leads?sort=id&limit=500${filter}${more}`);
      leads.push(...page.leads.map(({ id, status, activatedBy }) => ({ id, status, activatedBy })));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return leads;
  }

  /** Gives a lead another address that nobody else has, or another name. */
  async edit(leadId: number, what: 'address' | 'name'): Promise<void> {
    const count = String(++this.#editCount);
    await this.#client.send(
      'PATCH',
      `/crm/leads/${String(leadId)}`,
      what === 'address'
        ? { email: `edited-${String(this.#round)}-${count}${addressPart}` }
        : { firstName: `Edited${count}` },
    );
  }

  async suppress(number: number): Promise<void> {
    await this.#client.send('POST', '/crm/suppressions', {
      addresses: [addressOf(this.#round, number)],
      reason: 'manual',
    });
  }

  address(number: number): string {
    return addressOf(this.#round, number);
  }

  /** A session as the list of activations has it; null when it is not among the newest. */
  async listed(sessionId: string): Promise<Progress | null> {
    const list = await this.#client.ask<ActivationList>('/crm/activation?limit=50');
    return list.activations.find((activation) => activation.sessionId === sessionId) ?? null;
  }
}
