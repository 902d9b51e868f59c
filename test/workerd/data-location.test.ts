import { afterEach, expect, it } from 'vitest';
import type { Settings } from '../../src/shared/schemas/common.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { freshSessionId, send } from '../support/session-driver.ts';

afterEach(resetHooks);

async function settings(): Promise<Settings> {
  return (await send('GET', '/crm/settings')).json();
}

it('tells where data is kept', async () => {
  expect((await settings()).dataJurisdiction).toBeNull();
  hooks.env.DATA_JURISDICTION = 'eu';
  expect((await settings()).dataJurisdiction).toBe('eu');
});

it('asks for no object outside of the jurisdiction', async () => {
  const path = `/crm/activation/progress/${freshSessionId()}`;
  expect((await send('GET', path)).status).toBe(404);
  // The local runtime has none, and says so where it is asked for one: the object is never looked for elsewhere.
  hooks.env.DATA_JURISDICTION = 'eu';
  expect((await send('GET', path)).status).toBe(500);
});
