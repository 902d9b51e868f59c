/**
 * An account at the stand-in of Cloudflare, with everything that a deploy reads or changes.
 *
 * @module
 */
import type { Cloudflare } from 'cloudflare';
import { accessHandlers, AccessState } from './access.ts';
import { d1Handlers, D1State } from './d1.ts';
import { answer, answerPage, cloudflareStandIn, type CloudflareStandIn, type Handler } from './server.ts';
import { workersHandlers, WorkersState } from './workers.ts';

export const accountId = '0123456789abcdef0123456789abcdef';

export interface StandInAccount {
  workers: WorkersState;
  d1: D1State;
  access: AccessState;
  accounts: Cloudflare.Accounts.Account[];
  server: CloudflareStandIn;
}

export function standInAccount(more: readonly Handler[] = []): StandInAccount {
  const workers = new WorkersState();
  const d1 = new D1State();
  const access = new AccessState();
  const accounts: Cloudflare.Accounts.Account[] = [{ id: accountId, name: 'Acme', type: 'standard' }];
  const accountHandler: Handler = (request, path) => {
    if (path === '/accounts') return answerPage(accounts, request);
    // Requested by wrangler only.
    if (path === '/user') return answer({ id: 'user', email: 'ana@acme.test' });
    if (path === '/memberships') return answerPage([], request);
    if (path === '/zones') return answerPage([{ id: 'zone', name: 'acme.test' }], request);
    return null;
  };
  const server = cloudflareStandIn([
    ...more,
    accountHandler,
    ...workersHandlers(workers),
    ...d1Handlers(d1),
    ...accessHandlers(access),
  ]);
  return { workers, d1, access, accounts, server };
}
