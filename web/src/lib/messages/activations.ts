/**
 * Words of the list of activations.
 *
 * @module
 */
import type { ActivationView } from '../../../../src/shared/schemas/activation.ts';
import { formatCount } from './format.ts';

export const activationsMessages = {
  title: 'Activations',
  subtitle: 'Every activation, newest first.',
  scheduledSubtitle: 'What is to come, soonest first.',
  search: 'Search activations',
  searchPlaceholder: 'Name or person',
  table: 'Activations',
  tabs: 'Show',
  views: {
    '': 'All',
    open: 'Running',
    scheduled: 'Scheduled',
    approval: 'Waiting for approval',
    attention: 'Needs attention',
    completed: 'Completed',
    cancelled: 'Cancelled',
  } satisfies Record<ActivationView | '', string>,
  columns: {
    activation: 'Activation',
    progress: 'Progress',
    rate: 'Speed',
    took: 'Took',
    actions: 'Actions',
  },
  startedBy: (owner: string) => `by ${owner}`,
  tookSoFar: (duration: string) => `${duration} so far`,
  took: (duration: string) => `took ${duration}`,
  rate: (rate: string) => `${rate}/s`,
  average: 'average',
  sentCount: (count: number) => `${formatCount(count)} sent`,
  deliveredCount: (count: number) => `${formatCount(count)} delivered`,
  failedCount: (count: number) => `${formatCount(count)} failed`,
  unknownCount: (count: number) => `${formatCount(count)} unconfirmed`,
  skippedCount: (count: number) => `${formatCount(count)} skipped`,
  more: 'Load more',
  zone: (zone: string) => `Times in ${zone}`,
  empty: {
    title: 'No activations yet',
    text: 'Select leads and choose Activate. Each activation is listed here.',
    action: 'Go to leads',
  },
  noneInView: {
    open: { title: 'Nothing is running', text: 'Activations that are running or paused appear here.' },
    scheduled: {
      title: 'Nothing is scheduled',
      text: 'Choose “Later” in the Activate dialog. What is to come is listed here by day.',
    },
    approval: {
      title: 'Nothing waits for approval',
      text: 'Activations that a colleague has to approve appear here.',
    },
    attention: {
      title: 'Nothing needs attention',
      text: 'Activations with failed or unconfirmed emails appear here.',
    },
    completed: { title: 'Nothing completed yet', text: 'Completed activations appear here.' },
    cancelled: { title: 'Nothing was cancelled', text: 'Cancelled activations appear here.' },
  } satisfies Record<ActivationView, { title: string; text: string }>,
  showAll: 'Show all',
  noMatch: {
    title: 'No activation matches',
    text: 'Try another name or person.',
    action: 'Clear search',
  },
  failed: 'The activations could not be loaded',
} as const;
