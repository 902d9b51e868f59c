/**
 * Words of the waves on the page of an activation.
 *
 * @module
 */
import type { ReportedFigure, WaveFigure, WaveState } from '../../../../src/shared/waves.ts';
import { formatCount, formatEither, formatPercent, plural } from './format.ts';
import { waveFigureWords } from './status.ts';

const reports: Record<ReportedFigure, string> = { bounced: 'bounces', complained: 'spam complaints' };

export const waveCardMessages = {
  title: 'Waves',
  wave: (number: number) => `Wave ${formatCount(number)}`,
  size: (count: number) => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`,
  states: {
    planned: 'Planned',
    sending: 'Sending',
    watching: 'Watching until',
    held: 'Held',
    passed: 'Passed',
  } satisfies Record<WaveState, string>,
  done: 'Done',
  cancelled: 'Cancelled',
  /** Where nothing is reported that a watch could see. */
  waiting: 'Next wave',
  passedBy: (who: string) => `Passed by ${who}`,
  figure: (figure: WaveFigure, count: number, of: number) =>
    `${formatCount(count)} ${waveFigureWords[figure]}${count === 0 || of === 0 ? '' : ` (${formatPercent((count * 100) / of)})`}`,
  sent: (count: number) => `${formatCount(count)} sent`,
  notReported: (of: readonly ReportedFigure[]) =>
    `The provider does not report ${formatEither(of.map((figure) => reports[figure]))}.`,
  beginNow: 'Begin the next wave now',
  showAll: (count: number) => `Show all ${formatCount(count)} waves`,
} as const;
