import { expect, it } from 'vitest';
import type { SessionContext } from '../../src/durable/session/context.ts';
import { SessionEvents } from '../../src/durable/session/events.ts';

it('of two answers which endpoints there are, that of the later question counts', async () => {
  const answers: ((ids: string[]) => void)[] = [];
  const switched: string[] = [];
  const outbox = {
    isOn: false,
    isOnFor: () => false,
    turnOn: (ids: readonly string[]) => void switched.push(`on for ${ids.join()}`),
    turnOff: () => void switched.push('off'),
  };
  const context = {
    env: {
      DB: {
        prepare: () => ({
          all: () =>
            new Promise((resolve) => {
              answers.push((ids) => resolve({ results: ids.map((id) => ({ id })) }));
            }),
        }),
      },
    },
    store: { load: () => ({}), transact: (work: () => void) => work(), outbox },
    now: () => 0,
    log: () => undefined,
  };
  const events = new SessionEvents(context as unknown as SessionContext);
  // Asked before the endpoint was added, and answered after it.
  const slow = events.refresh(0);
  const quick = events.refresh(0);
  answers[1]?.(['endpoint']);
  await quick;
  outbox.isOn = true;
  answers[0]?.([]);
  expect(await slow).toBe(true);
  expect(switched).toEqual(['on for endpoint']);
});
