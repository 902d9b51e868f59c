/**
 * Words of the alerts in the settings. Their titles and meanings come from the server, with their rules.
 *
 * @module
 */
export const alertMessages = {
  title: 'Alerts',
  hint: 'What needs somebody now. To be told, add a webhook with the events Alert and Alert ended.',
  failed: 'The alerts couldn’t be loaded',
  none: 'Nothing needs attention.',
  severities: { critical: 'Critical', warning: 'Warning' },
  since: (time: string) => `Since ${time}`,
  runbook: (alertId: string) => `What to do: docs/OPERATIONS.md, ${alertId}`,
  open: 'Open activation',
  more: (count: number) => `and ${count} more`,
};
