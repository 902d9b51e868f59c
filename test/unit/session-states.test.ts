/** The stages of the session's states: who is counted, erased and followed. */
import { expect, it } from 'vitest';
import { sessionStates, stageOf, statesIn } from '../../src/shared/progress.ts';

it('has each state in one stage', () => {
  const stages = ['ahead', 'going', 'halted', 'over'] as const;
  expect(stages.flatMap((stage) => statesIn(stage)).sort()).toEqual([...sessionStates].sort());
});

it('knows who waits for a time or an approval, who for a person, and who is over', () => {
  expect(statesIn('ahead')).toEqual(['awaiting_approval', 'scheduled']);
  expect(statesIn('halted')).toEqual(['paused', 'wave_held']);
  expect(statesIn('over')).toEqual(['completed', 'cancelled', 'failed']);
  expect(stageOf({ state: 'running' })).toBe('going');
});
