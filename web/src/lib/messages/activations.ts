/**
 * Words of the list of activations.
 *
 * @module
 */
import { formatCount } from './format.ts';

export const activationsMessages = {
  title: 'Activations',
  subtitle: 'Every activation, newest first.',
  search: 'Search runs',
  searchPlaceholder: 'Name, person or state',
  table: 'Activations',
  columns: {
    activation: 'Run',
    state: 'State',
    progress: 'Progress',
    results: 'Results',
    took: 'Took',
  },
  startedBy: (owner: string) => `by ${owner}`,
  tookSoFar: (duration: string) => `${duration} so far`,
  failedCount: (count: number) => `${formatCount(count)} failed`,
  unknownCount: (count: number) => `${formatCount(count)} unknown`,
  sentCount: (count: number) => `${formatCount(count)} sent`,
  more: 'Load more',
  empty: {
    title: 'Nothing has been activated yet',
    text: 'Choose leads and press Activate. The run shows up here.',
    action: 'Go to leads',
  },
  noMatch: {
    title: 'No run matches',
    text: 'Try another name or person.',
    action: 'Clear search',
  },
  failed: 'The activity could not be loaded',
} as const;
