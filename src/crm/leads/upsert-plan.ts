/**
 * Decides what upserts do to leads: which lead each item means, what becomes of it, and which items are refused.
 *
 * Pure. Does not read or write; the caller hands in every lead that an item may mean. Items count one after another, so
 * a later one sees what an earlier one did. Invariants: the status, the activation and the mail of a lead are no part of
 * a plan; an address or external id that another lead had when the request came is never given to a lead, so that a plan
 * can be written in any order.
 *
 * @module
 */
import type { CustomFields } from '../../shared/custom-fields.ts';
import { leadFieldNames, perField, type LeadField } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import type { ProblemFault } from '../../shared/problem.ts';
import type { ExternalId, LeadUpsert, UpsertProblemCode } from '../../shared/schemas/leads.ts';
import { addressKey, normalizeEmail } from '../email.ts';
import { customJson } from './custom-fields.ts';
import { tagLabels } from './labels.ts';

/** What an upsert may change of a lead, in the form of the table. */
export interface LeadContent extends Record<LeadField, string> {
  externalId: ExternalId | null;
  /** As `customJson` writes them. */
  custom: string;
  /** As `tagLabels` writes them. */
  tags: string;
}

export interface KnownLead {
  id: number;
  /** Of its last edit: it tells whether the plan still fits. */
  revision: number;
  content: LeadContent;
}

/** Why an item is refused. */
export interface ItemProblem {
  code: UpsertProblemCode;
  detail: string;
  errors: readonly ProblemFault[];
  /** The lead that is in the way, where there was one before the request. */
  leadId: number | null;
}

/** An item that does not fit its schema has its problem instead. */
export type UpsertItem = { lead: LeadUpsert } | { problem: ItemProblem };

/** A lead as the plan leaves it. */
export interface PlannedLead {
  /** Null: it is created. */
  known: KnownLead | null;
  content: LeadContent;
}

export type PlannedItem =
  | { outcome: 'created' | 'updated' | 'unchanged'; lead: PlannedLead }
  | { outcome: 'refused'; problem: ItemProblem };

export interface UpsertPlan {
  /** One for each item, in their order. */
  items: PlannedItem[];
  created: PlannedLead[];
  /** Leads that there were and that are another now. */
  updated: (PlannedLead & { known: KnownLead })[];
}

/** A text that is equal for equal external ids. */
export const externalKey = ({ source, id }: ExternalId): string => `${source}\n${id}`;

/**
 * Plans the upserts.
 *
 * @param known - every lead with an address or an external id of one of the items
 */
export function planUpserts(items: readonly UpsertItem[], known: readonly KnownLead[]): UpsertPlan {
  const leads = new LeadsInMind(known);
  const planned = items.map((item): PlannedItem => {
    if ('problem' in item) return { outcome: 'refused', problem: item.problem };
    const { lead: wanted } = item;
    const target = findTarget(leads, wanted);
    if ('problem' in target) return { outcome: 'refused', problem: target.problem };
    if (target.lead === null) {
      if (wanted.email === undefined) return { outcome: 'refused', problem: addressMissing };
      const made = contentAfter(emptyContent, wanted);
      if ('problem' in made) return { outcome: 'refused', problem: made.problem };
      return { outcome: 'created', lead: leads.add(made.content) };
    }
    const { lead } = target;
    const made = contentAfter(lead.content, wanted);
    if ('problem' in made) return { outcome: 'refused', problem: made.problem };
    if (isSame(lead.content, made.content)) return { outcome: 'unchanged', lead };
    leads.change(lead, made.content);
    return { outcome: 'updated', lead };
  });
  const all = leads.all();
  return {
    items: planned,
    created: all.filter(({ known: before }) => before === null),
    updated: all.filter(
      (lead): lead is PlannedLead & { known: KnownLead } =>
        lead.known !== null && !isSame(lead.known.content, lead.content),
    ),
  };
}

/** The leads as the items so far leave them. */
class LeadsInMind {
  readonly #leads: PlannedLead[] = [];
  readonly #byAddress = new Map<string, PlannedLead>();
  readonly #byExternalId = new Map<string, PlannedLead>();
  readonly #formerOwners = new Map<string, PlannedLead>();

  constructor(known: readonly KnownLead[]) {
    for (const lead of known) {
      const planned: PlannedLead = { known: lead, content: lead.content };
      this.#leads.push(planned);
      this.#index(planned);
      this.#formerOwners.set(addressKey(lead.content.email), planned);
    }
  }

  all(): readonly PlannedLead[] {
    return this.#leads;
  }

  byAddress(email: string): PlannedLead | undefined {
    return this.#byAddress.get(addressKey(normalizeEmail(email)));
  }

  /** Who had the address when the request came. */
  formerOwner(email: string): PlannedLead | undefined {
    return this.#formerOwners.get(addressKey(normalizeEmail(email)));
  }

  byExternalId(externalId: ExternalId): PlannedLead | undefined {
    return this.#byExternalId.get(externalKey(externalId));
  }

  add(content: LeadContent): PlannedLead {
    const lead: PlannedLead = { known: null, content };
    this.#leads.push(lead);
    this.#index(lead);
    return lead;
  }

  change(lead: PlannedLead, content: LeadContent): void {
    this.#byAddress.delete(addressKey(lead.content.email));
    lead.content = content;
    this.#index(lead);
  }

  #index(lead: PlannedLead): void {
    const { email, externalId } = lead.content;
    this.#byAddress.set(addressKey(email), lead);
    if (externalId !== null) this.#byExternalId.set(externalKey(externalId), lead);
  }
}

/** The lead that an item means; null: none yet. */
function findTarget(
  leads: LeadsInMind,
  { externalId, email }: LeadUpsert,
): { lead: PlannedLead | null } | { problem: ItemProblem } {
  const byId = externalId === undefined ? undefined : leads.byExternalId(externalId);
  const byAddress = email === undefined ? undefined : leads.byAddress(email);
  const former = email === undefined ? undefined : leads.formerOwner(email);
  if (byId !== undefined) {
    const other = [byAddress, former].find((lead) => lead !== undefined && lead !== byId);
    return other === undefined ? { lead: byId } : { problem: addressTaken(other) };
  }
  if (byAddress === undefined)
    return former === undefined ? { lead: null } : { problem: addressTaken(former) };
  const other = byAddress.content.externalId;
  if (externalId !== undefined && other !== null) return { problem: otherExternalId(byAddress) };
  return { lead: byAddress };
}

const addressMissing: ItemProblem = {
  code: 'invalid_request',
  detail: '/email: a lead that is new needs an email address',
  errors: [{ path: '/email', message: 'a lead that is new needs an email address' }],
  leadId: null,
};

const addressTaken = ({ known }: PlannedLead): ItemProblem => ({
  code: 'email_taken',
  detail: 'Another lead has this email address, or had it when the request came.',
  errors: [{ path: '/email', message: 'belongs to another lead' }],
  leadId: known?.id ?? null,
});

const otherExternalId = ({ known }: PlannedLead): ItemProblem => ({
  code: 'external_id_mismatch',
  detail: 'The lead with this email address has another external id.',
  errors: [{ path: '/externalId', message: 'the lead with this email address has another one' }],
  leadId: known?.id ?? null,
});

const emptyContent: LeadContent = {
  ...perField(leadFieldNames, () => ''),
  externalId: null,
  custom: '{}',
  tags: '',
};

/** The content with what an item says; what it leaves out stays. */
function contentAfter(
  before: LeadContent,
  wanted: LeadUpsert,
): { content: LeadContent } | { problem: ItemProblem } {
  const fields = perField(leadFieldNames, (field) => {
    const value = wanted[field];
    if (value === undefined) return before[field];
    if (field !== 'email') return value.trim();
    // Systems spell one address differently, and each would change what the other wrote.
    const email = normalizeEmail(value);
    return addressKey(email) === addressKey(before.email) ? before.email : email;
  });
  const custom =
    wanted.custom === undefined
      ? before.custom
      : customJson({ ...(JSON.parse(before.custom) as CustomFields), ...wanted.custom });
  const count = Object.keys(JSON.parse(custom) as CustomFields).length;
  if (count > limits.maxCustomFieldCount) {
    const message = `the lead would have ${count} custom fields, and a lead has at most ${limits.maxCustomFieldCount}`;
    return {
      problem: {
        code: 'invalid_request',
        detail: `/custom: ${message}`,
        errors: [{ path: '/custom', message }],
        leadId: null,
      },
    };
  }
  return {
    content: {
      ...fields,
      externalId: wanted.externalId ?? before.externalId,
      custom,
      tags: wanted.tags === undefined ? before.tags : tagLabels(wanted.tags),
    },
  };
}

/** True when both would be the same row. */
function isSame(one: LeadContent, other: LeadContent): boolean {
  const keyOf = ({ externalId }: LeadContent) => (externalId === null ? null : externalKey(externalId));
  return (
    leadFieldNames.every((field) => one[field] === other[field]) &&
    one.custom === other.custom &&
    one.tags === other.tags &&
    keyOf(one) === keyOf(other)
  );
}
