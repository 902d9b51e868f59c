/**
 * The first steps in an installation: which there are for a person, and which are done. It is read from what
 * the product holds and not from what was clicked.
 *
 * @module
 */
import type { Ability } from '../../../../src/shared/roles.ts';
import type { AuditPage } from '../../../../src/shared/schemas/audit.ts';
import { api, call } from '../api/client.ts';
import { firstSteps, type FirstStep } from '../messages/first-run.ts';

/** What of the product decides; null where it is not known to this person, or was not answered. */
export interface FirstRunFacts {
  /** Emails go to the inbox of this machine. */
  isTestMode: boolean | null;
  isReady: boolean | null;
  leadCount: number | null;
  suppressionCount: number | null;
  testCount: number | null;
  isActivated: boolean | null;
}

export interface FirstRunStep {
  step: FirstStep;
  isDone: boolean;
}

/** Where each step is done, and the ability that it needs. */
export const stepPlaces = {
  provider: { href: '/settings', needs: 'configure' },
  leads: { href: '/imports', needs: 'importLeads' },
  suppress: { href: '/suppressions?add=1', needs: 'suppress' },
  test: { href: '/templates', needs: 'editTemplates' },
  activate: { href: '/leads', needs: 'activate' },
} as const satisfies Record<FirstStep, { href: string; needs: Ability }>;

/** The steps of a person with these abilities. */
export function stepsFor(facts: FirstRunFacts, may: (ability: Ability) => boolean): FirstRunStep[] {
  const isDone: Record<FirstStep, boolean> = {
    provider: facts.isReady === true && facts.isTestMode === false,
    leads: (facts.leadCount ?? 0) > 0,
    suppress: (facts.suppressionCount ?? 0) > 0,
    test: (facts.testCount ?? 0) > 0,
    activate: facts.isActivated === true,
  };
  return firstSteps
    .filter((step) => may(stepPlaces[step].needs))
    .map((step) => ({ step, isDone: isDone[step] }));
}

/** Whether anything was ever activated; null when that was not answered. The one question of every page load. */
export async function hasActivations(): Promise<boolean | null> {
  const answer = await api.activations({ limit: 1 }, AbortSignal.timeout(15_000));
  return answer.ok ? answer.value.activations.length > 0 : null;
}

/** Asks the product for all steps. Only what this person may read is asked for. */
export async function readFirstRun(may: (ability: Ability) => boolean): Promise<FirstRunFacts> {
  const none = Promise.resolve(null);
  const [check, leads, suppressions, tests, isActivated] = await Promise.all([
    api.senderCheck(),
    may('readLeads') ? api.leads({ limit: 1 }) : none,
    may('suppress') ? api.suppressions({ reason: null, cursor: null }) : none,
    may('readAudit') ? call<AuditPage>('/crm/audit?action=template.test&limit=1') : none,
    hasActivations(),
  ]);
  return {
    isTestMode: check.ok ? check.value.isStandIn : null,
    isReady: check.ok ? check.value.isReady : null,
    leadCount: leads?.ok ? leads.value.total : null,
    suppressionCount: suppressions?.ok ? suppressions.value.total : null,
    testCount: tests?.ok ? tests.value.entries.length : null,
    isActivated,
  };
}

const key = 'lead-activation:first-run';

/** Whether this person has put the list away, on this device. */
export function isFirstRunDismissed(): boolean {
  try {
    return localStorage.getItem(key) === 'dismissed';
  } catch {
    return false;
  }
}

export function dismissFirstRun(): void {
  try {
    localStorage.setItem(key, 'dismissed');
  } catch {
    // Without storage it is back on the next page load.
  }
}
