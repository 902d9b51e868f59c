/**
 * Words of the command palette and of the list of keys. They are loaded with them.
 *
 * @module
 */
export const paletteMessages = {
  title: 'Search and commands',
  placeholder: 'Find a page, an action or a lead',
  empty: 'Nothing matches',
  groups: { pages: 'Go to', actions: 'Actions', activations: 'Recent activations', leads: 'Leads' },
  footer: { move: 'to move', open: 'to open', close: 'to close' },
  actions: {
    activate: 'Activate leads',
    importLeads: 'Import leads',
    newTemplate: 'New template',
    suppress: 'Suppress addresses',
    person: 'Answer a data request',
    auditCsv: 'Download the audit as CSV',
    sender: 'Check the sender',
    firstRun: 'Get started',
    toLight: 'Use the light theme',
    toDark: 'Use the dark theme',
    notifyOn: 'Notify me when activations finish',
    notifyOff: 'Stop notifying me when activations finish',
    keys: 'Keyboard shortcuts',
  },
  keywords: {
    activate: 'send start email',
    importLeads: 'upload csv excel xlsx',
    newTemplate: 'create email',
    suppress: 'block unsubscribe bounce',
    person: 'gdpr privacy export erase',
    auditCsv: 'export log',
    sender: 'dns spf dkim dmarc provider',
    firstRun: 'setup checklist onboarding',
    theme: 'appearance dark light',
    notify: 'notification desktop',
    keys: 'keyboard help',
  },
  keys: {
    title: 'Keyboard shortcuts',
    groups: { everywhere: 'Everywhere', lists: 'Lists of leads', dialog: 'Activate dialog' },
    everywhere: {
      palette: 'Search and commands',
      search: 'Focus the search',
      keys: 'Show this list',
    },
    go: (page: string) => `Go to ${page}`,
    lists: {
      move: 'Next or previous row',
      select: 'Select the row',
      range: 'Select a range of rows',
    },
    dialog: { start: 'Start the activation', close: 'Close without starting' },
    note: 'Shortcuts do nothing while you type.',
  },
} as const;
