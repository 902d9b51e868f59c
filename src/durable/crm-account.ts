/**
 * The foreign CRM of the settings: its port and its gate.
 *
 * The Worker uses it for the test of the connection and for pulls, a session for its pushes.
 *
 * @module
 */
import { writeAllowance } from '../crm/connection-state.ts';
import { chooseCrm } from '../crm/connections/index.ts';
import type { CrmPort } from '../crm/port.ts';
import { callGate } from '../runtime/faults.ts';
import { allowsLocalWebhooks } from '../runtime/settings.ts';
import type { Lease } from '../core/limits/rate-limit.ts';
import { crmGateStub } from './stubs.ts';

export interface CrmAccount {
  kind: 'ready';
  port: CrmPort;
  /** Asks the account's gate for permits. */
  lease(wantedCount: number): Promise<Lease>;
  /** Tells the gate that the CRM has asked to come back later. */
  slowDown(retryAfterMs: number | null): Promise<void>;
  /** Stores what the port has heard of its allowance, where it has heard something. */
  noteAllowance(): Promise<void>;
}

export type CrmAccountChoice = CrmAccount | { kind: 'none' } | { kind: 'refused'; message: string };

export function crmAccount(env: Env, now: () => number): CrmAccountChoice {
  const choice = chooseCrm(env, { fetch: (url, init) => fetch(url, init), now }, allowsLocalWebhooks(env));
  if (choice.kind !== 'ready') return choice;
  const { port } = choice;
  const gate = crmGateStub(env, `${port.target.provider}:${port.target.host}`);
  return {
    kind: 'ready',
    port,
    lease: (wantedCount) => callGate(async () => gate.leaseAt(port.ratePerSecond, wantedCount)),
    slowDown: async (retryAfterMs) =>
      gate.report({ throttled: { retryAfterMs }, rate: null }, port.ratePerSecond),
    noteAllowance: async () => {
      const { allowance = null } = port;
      if (allowance !== null) await writeAllowance(env.DB, port.target, allowance);
    },
  };
}
