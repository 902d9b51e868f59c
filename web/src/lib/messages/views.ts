/**
 * Words of the filters and saved views of the leads page.
 *
 * @module
 */
import { formatCount } from './format.ts';

export const viewMessages = {
  filters: 'Filters',
  filterCount: (count: number) => `Filters (${formatCount(count)})`,
  any: 'Any',
  source: 'Source',
  stage: 'Stage',
  consentSource: 'Consent source',
  import: 'Import',
  createdFrom: 'Added from',
  createdTo: 'Added until',
  activatedFrom: 'Activated from',
  activatedTo: 'Activated until',
  clear: 'Clear filters',
  views: 'Views',
  none: 'No saved views yet.',
  save: 'Save this view',
  name: 'Name of the view',
  remove: (name: string) => `Forget ${name}`,
  failed: 'The views could not be loaded',
} as const;
