/**
 * The calls of the web app are operations that the description of the API has.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { createApp } from '../../src/worker/app.ts';
import { describeApi } from '../../src/worker/http/describe.ts';
import { api, type Command } from '../../web/src/lib/api/client.ts';
import { settingsApi } from '../../web/src/lib/api/settings.ts';
import { DescribedAnswers } from '../support/described-answers.ts';

const calls = { ...api, ...settingsApi };
const described = new DescribedAnswers(describeApi(createApp()));
afterEach(() => vi.unstubAllGlobals());

/** Every call, with an argument that fits into any place of a path. */
async function requestsOf(): Promise<{ name: string; method: string; pathname: string }[]> {
  const requests: { name: string; method: string; pathname: string }[] = [];
  let name = '';
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const { pathname } = new URL(path, 'https://leads.example.com');
    requests.push({ name, method: init.method ?? 'GET', pathname });
    return Promise.resolve(new Response('{}'));
  });
  for (const [called, call] of Object.entries(calls).filter(([one]) => one !== 'command')) {
    name = called;
    await (call as (...args: unknown[]) => Promise<unknown>)('7', '7', '7');
  }
  const commands: Record<Command, true> = {
    ...{ startNow: true, pause: true, resume: true, cancel: true },
    ...{ retryFailed: true, retryUnknown: true, check: true, assumeSent: true },
  };
  for (const command of Object.keys(commands) as Command[]) {
    name = command;
    await api.command('7', command);
  }
  return requests;
}

test('every call of the web app is described', async () => {
  const requests = await requestsOf();
  expect(requests.length).toBe(Object.keys(calls).length - 1 + 8);
  for (const { name, method, pathname } of requests)
    expect(described.operationOf(method, pathname), `${name}: ${method} ${pathname}`).toBeDefined();
});

test('a call that is not described would be found', () => {
  expect(described.operationOf('GET', '/crm/lead')).toBeUndefined();
  expect(described.operationOf('DELETE', '/crm/leads')).toBeUndefined();
});
