/**
 * Words of the audit page.
 *
 * @module
 */
export const auditMessages = {
  title: 'Audit',
  subtitle: 'Who did what, and when. Entries are never changed and never removed.',
  table: 'Audit entries',
  columns: { at: 'When', actor: 'Who', action: 'What', target: 'On', country: 'From', detail: 'Particulars' },
  filters: {
    actor: 'Who',
    actorPlaceholder: 'ana@example.com',
    target: 'On',
    targetPlaceholder: 'lead:7 or a run’s id',
    action: 'What',
    anyAction: 'Anything',
    apply: 'Filter',
    clear: 'Clear',
  },
  groups: {
    'activation.': 'Runs',
    'lead.': 'Leads',
    'person.': 'Requests of people',
    'import.': 'Imports',
    'template.': 'Templates',
    'suppression.': 'Suppressions',
    'view.': 'Views',
    'audit.': 'This audit',
    'recovery.': 'Recovery',
  },
  download: 'Download CSV',
  more: 'Older entries',
  nobody: 'unknown',
  empty: {
    title: 'Nothing yet',
    text: 'Whatever is started, changed, erased or downloaded is written here.',
  },
  noMatch: { title: 'No entry fits', text: 'Another filter may.' },
  failed: 'The audit could not be read',
} as const;
