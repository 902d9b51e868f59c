import { describe, expect, it } from 'vitest';
import {
  dataJurisdiction,
  endpointStub,
  mailGateStub,
  sessionStub,
  type StubEnv,
} from '../../src/durable/stubs.ts';

/** Namespaces that record their calls, because workerd has no jurisdictions. */
function env(jurisdiction: string): StubEnv {
  const namespace = (kind: string) => ({
    getByName: (name: string) => `${kind}/${name}`,
    jurisdiction: (where: string) => ({ getByName: (name: string) => `${where}:${kind}/${name}` }),
  });
  return {
    ACTIVATION_SESSION: namespace('session'),
    MAIL_GATE: namespace('gate'),
    WEBHOOK_ENDPOINT: namespace('endpoint'),
    DATA_JURISDICTION: jurisdiction,
  } as unknown as StubEnv;
}

describe('stubs', () => {
  it('are in the jurisdiction that the environment was created with', () => {
    expect(sessionStub(env('eu'), 'a')).toBe('eu:session/a');
    expect(mailGateStub(env('eu'), 'resend')).toBe('eu:gate/resend');
    expect(endpointStub(env('eu'), 'we_1')).toBe('eu:endpoint/we_1');
  });

  it('are in no jurisdiction when none was chosen, or before the setting existed', () => {
    expect(sessionStub(env(''), 'a')).toBe('session/a');
    expect(mailGateStub(env(''), 'resend')).toBe('gate/resend');
    expect(dataJurisdiction(env(undefined as unknown as string))).toBeNull();
  });
});
