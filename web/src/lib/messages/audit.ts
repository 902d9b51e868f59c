/**
 * Words of the audit page. A sentence is a person, what they did, and what it was done to.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

const count = (of: unknown, one: string, other: string): string | null =>
  typeof of === 'number' ? `${formatCount(of)} ${plural(of, one, other)}` : null;

/** What the words before and after the object of a sentence are; `detail` is that of the entry. */
interface Action {
  before: string;
  /** Where the name of the object is not known any more. */
  object: string;
  after?: (detail: Readonly<Record<string, unknown>>) => string;
}

const activation = 'an activation';
const imported = 'an import';
const template = 'a template';
const lead = 'a lead';

const fieldNames: Readonly<Record<string, string>> = {
  firstName: 'first name',
  lastName: 'last name',
  consentSource: 'consent',
  custom: 'custom fields',
  externalId: 'external id',
};

export const auditMessages = {
  title: 'Audit log',
  subtitle: (zone: string) =>
    `Who did what, and when. Entries are never changed or deleted. Times in ${zone}.`,
  filters: {
    actor: 'Person',
    actorPlaceholder: 'ana@example.com',
    target: 'Item',
    targetPlaceholder: 'lead:7, or the id of an activation',
    action: 'Action',
    anyAction: 'Any action',
    apply: 'Filter',
    clear: 'Clear filters',
    onlyThis: 'Only this item',
  },
  groups: {
    'activation.': 'Activations',
    'lead.': 'Leads',
    'person.': 'Data requests',
    'import.': 'Imports',
    'template.': 'Templates',
    'suppression.': 'Suppressions',
    'view.': 'Saved views',
    'warmUp.': 'Warm-up',
    'webhook.': 'Webhooks',
    'audit.': 'Audit exports',
    'recovery.': 'Recovery',
  },
  download: 'Download CSV',
  more: 'Show older entries',
  showDetails: 'Details',
  details: {
    actor: 'Account',
    role: 'Role',
    action: 'Action',
    target: 'Item',
    at: 'Time',
    country: 'Country',
    request: 'Request',
    detail: 'Recorded',
  },
  unknown: 'Unknown',
  empty: {
    title: 'Nothing yet',
    text: 'Everything that is started, changed, erased or downloaded is recorded here.',
  },
  noMatch: { title: 'No entry matches', text: 'Change or clear the filters.' },
  failed: 'The audit log couldn’t be loaded',

  actions: {
    'activation.start': {
      before: 'started',
      object: activation,
      after: ({ total }) => {
        const leads = count(total, 'lead', 'leads');
        return leads === null ? '' : `for ${leads}`;
      },
    },
    'activation.pause': { before: 'paused', object: activation },
    'activation.resume': { before: 'resumed', object: activation },
    'activation.cancel': { before: 'cancelled', object: activation },
    'activation.nextWave': { before: 'went on with the next wave of', object: activation },
    'activation.startNow': { before: 'started at once', object: activation },
    'activation.schedule': {
      before: 'changed the times of',
      object: activation,
      after: ({ at, zone }) =>
        typeof at === 'string'
          ? `(start ${at.replace('T', ' ')} ${typeof zone === 'string' ? zone : ''})`
          : '',
    },
    'activation.approve': { before: 'approved', object: activation },
    'activation.reject': { before: 'rejected', object: activation },
    'activation.takeBack': {
      before: 'took back',
      object: activation,
      after: ({ leads }) => {
        const text = count(leads, 'lead', 'leads');
        return text === null ? '' : `(${text})`;
      },
    },
    'activation.undo': { before: 'undid the start of', object: activation },
    'activation.retry': { before: 'retried emails of', object: activation },
    'activation.check': { before: 'checked the unconfirmed emails with the provider of', object: activation },
    'activation.assumeSent': { before: 'marked the unconfirmed emails as sent in', object: activation },
    'activation.erase': { before: 'erased', object: activation },
    'activation.receipt': { before: 'downloaded the receipt of', object: activation },
    'activation.receiptKey': { before: 'looked up the address key of the receipt of', object: activation },
    'activation.download': { before: 'downloaded the results of', object: activation },
    'lead.read': {
      before: 'viewed',
      object: 'leads',
      after: ({ requestCount }) => {
        const requests = count(requestCount, 'request', 'requests');
        return requests === null ? '' : `in ${requests}, within an hour`;
      },
    },
    'lead.create': { before: 'added', object: lead },
    'lead.edit': {
      before: 'edited',
      object: lead,
      after: ({ fields }) =>
        Array.isArray(fields) && fields.length > 0
          ? `(${fields.map((field) => fieldNames[String(field)] ?? String(field)).join(', ')})`
          : '',
    },
    'crm.test': { before: 'tested', object: 'the CRM connection' },
    'crm.mapFields': { before: 'chose', object: 'the fields of CRM lists' },
    'crm.pull': {
      before: 'pulled',
      object: 'leads',
      after: ({ list }) => (typeof list === 'string' ? `from the CRM list ${list}` : 'from the CRM'),
    },
    'lead.upsert': { before: 'wrote by the API', object: lead },
    'lead.batch': {
      before: 'wrote by the API',
      object: 'leads',
      after: ({ createdCount, updatedCount }) =>
        `(${Number(createdCount)} new, ${Number(updatedCount)} changed)`,
    },
    'lead.bulkTag': {
      before: 'changed tags of',
      object: 'leads',
      after: ({ leadCount }) => `(${count(leadCount, 'lead', 'leads') ?? 'several'})`,
    },
    'lead.erase': { before: 'erased', object: lead },
    'lead.bulkEdit': {
      before: 'edited',
      object: 'leads',
      after: ({ leadCount, field }) =>
        `(${[count(leadCount, 'lead', 'leads'), fieldNames[String(field)] ?? field].filter(Boolean).join(', ')})`,
    },
    'lead.bulkSuppress': {
      before: 'suppressed the addresses of',
      object: 'leads',
      after: ({ leadCount }) => `(${count(leadCount, 'lead', 'leads') ?? 'several'})`,
    },
    'lead.bulkErase': {
      before: 'erased',
      object: 'leads',
      after: ({ leadIds }) =>
        Array.isArray(leadIds) ? `(${count(leadIds.length, 'lead', 'leads') ?? ''})` : '',
    },
    'lead.download': { before: 'downloaded', object: 'leads' },
    'lead.export': { before: 'exported', object: 'leads' },
    'person.export': { before: 'exported the personal data of', object: 'an address without a lead' },
    'person.erase': { before: 'erased the personal data of', object: 'an address without a lead' },
    'view.save': { before: 'saved', object: 'a view of leads' },
    'view.delete': { before: 'deleted', object: 'a view of leads' },
    'import.open': { before: 'started importing', object: 'a file' },
    'import.finish': { before: 'imported', object: 'a file' },
    'import.undo': {
      before: 'undid the import of',
      object: 'a file',
      after: ({ removedCount }) => {
        const leads = count(removedCount, 'lead', 'leads');
        return leads === null ? '' : `and removed ${leads}`;
      },
    },
    'import.delete': { before: 'deleted', object: imported },
    'import.download': { before: 'downloaded the rejected rows of', object: imported },
    'template.test': { before: 'sent', object: 'a test email' },
    'template.create': { before: 'created', object: template },
    'template.change': {
      before: 'changed',
      object: template,
      after: ({ after }) =>
        typeof after === 'object' && after !== null && 'version' in after
          ? `to version ${String(after.version)}`
          : '',
    },
    'template.delete': { before: 'deleted', object: template },
    'suppression.add': { before: 'suppressed', object: 'addresses' },
    'suppression.remove': { before: 'allowed', object: 'a suppressed address', after: () => 'again' },
    'warmUp.change': { before: 'changed', object: 'the warm-up of a domain' },
    'webhook.create': { before: 'added', object: 'a webhook' },
    'webhook.change': { before: 'changed', object: 'a webhook' },
    'webhook.delete': { before: 'deleted', object: 'a webhook' },
    'webhook.rotateSecret': { before: 'made a new secret for', object: 'a webhook' },
    'webhook.test': { before: 'sent', object: 'a test event' },
    'webhook.sendAgain': { before: 'sent again', object: 'an event' },
    'audit.download': { before: 'downloaded', object: 'the audit log' },
    'recovery.finish': { before: 'ended', object: 'the recovery after a restore' },
    'recovery.reconcile': { before: 'reconciled', object: activation },
    'recovery.key': { before: 'took a copy of', object: 'the address hash key, encrypted' },
  } satisfies Record<string, Action>,
  /** An action that this version of the app does not know. */
  unknownAction: { before: 'did', object: '' },

  counted: {
    leads: (of: unknown) => count(of, 'lead', 'leads'),
    addresses: (of: unknown) => count(of, 'address', 'addresses'),
  },
  leadNumber: (id: string) => `lead ${id}`,
  named: {
    activation: (name: string) => ['the activation', name] as const,
    import: (name: string) => ['', name] as const,
    template: (name: string) => ['the template', name] as const,
  },
} as const;

/** What an action's sentence is made of. */
export type AuditAction = Action;
