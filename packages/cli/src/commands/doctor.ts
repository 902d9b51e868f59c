/**
 * `lead-activation doctor`: what is missing before mail can leave, a line each.
 *
 * @module
 */
import { RefusedError, type LeadActivation, type Schemas } from '../../../client/src/index.ts';
import { exitCodes } from '../usage.ts';
import { writeJson, type Call, type ExitCode } from './call.ts';

interface Finding {
  /** `missing`: mail cannot leave, or this caller cannot start it. */
  status: 'ok' | 'warning' | 'missing' | 'unknown';
  title: string;
  detail: string;
}

const marks = { ok: 'ok      ', warning: 'warning ', missing: 'missing ', unknown: 'unknown ' };

export async function doctor({ client, options, terminal, signal }: Call): Promise<ExitCode> {
  const findings = await examine(client, signal);
  for (const finding of findings) {
    if (options.json === true) await writeJson(terminal, finding);
    else await terminal.write(`${marks[finding.status]}${finding.title}: ${finding.detail}\n`);
  }
  return findings.some(({ status }) => status === 'missing') ? exitCodes.refused : exitCodes.ok;
}

/** Each answer that is refused because of the role is a finding, and no end. */
async function examine(client: LeadActivation, signal: AbortSignal): Promise<Finding[]> {
  const settings = await client.request('get', '/crm/settings', { signal });
  const canStart = settings.user.role !== 'viewer';
  const findings: Finding[] = [
    {
      status: canStart ? 'ok' : 'missing',
      title: 'Sign-in',
      detail: `${settings.user.email}, role ${settings.user.role}${canStart ? '' : '; only an operator can start an activation'}`,
    },
  ];
  findings.push(
    ...(await findingsOf(
      () => client.request('get', '/crm/sender-check', { signal }),
      'Sender',
      senderFindings,
    )),
  );
  findings.push(
    ...(await findingsOf(
      () => client.request('get', '/crm/settings/values', { signal }),
      'Settings',
      settingFindings,
    )),
  );
  findings.push(
    ...(await findingsOf(
      () => client.request('get', '/crm/maintenance/recovery', { signal }),
      'Recovery',
      recoveryFindings,
    )),
  );
  findings.push(
    ...(await findingsOf(
      () => client.request('get', '/crm/leads', { query: { status: 'new', limit: 1 }, signal }),
      'Leads',
      ({ total }) => [
        total === 0
          ? { status: 'warning', title: 'Leads', detail: 'no lead is new: import some' }
          : { status: 'ok', title: 'Leads', detail: 'there are new leads' },
      ],
    )),
  );
  return findings;
}

async function findingsOf<T>(
  ask: () => Promise<T>,
  title: string,
  read: (answer: T) => Finding[],
): Promise<Finding[]> {
  try {
    return read(await ask());
  } catch (error) {
    if (error instanceof RefusedError && error.status === 403)
      return [{ status: 'unknown', title, detail: 'your role cannot see it; ask an admin' }];
    if (error instanceof RefusedError) return [{ status: 'missing', title, detail: error.message }];
    throw error;
  }
}

function senderFindings({ isStandIn, checks }: Schemas['SenderCheck']): Finding[] {
  const standIn: Finding[] = isStandIn
    ? [{ status: 'warning', title: 'Provider', detail: 'a stand-in on this machine; no real email is sent' }]
    : [];
  return [
    ...standIn,
    ...checks.flatMap(({ title, status, detail, isRequired }): Finding[] =>
      status === 'not_needed'
        ? []
        : [{ status: status === 'missing' && !isRequired ? 'warning' : status, title, detail }],
    ),
  ];
}

function settingFindings({ settings }: Schemas['SettingValues']): Finding[] {
  const broken = settings.flatMap(({ name, problem }): Finding[] =>
    problem === null ? [] : [{ status: 'missing', title: name, detail: problem }],
  );
  return broken.length > 0
    ? broken
    : [{ status: 'ok', title: 'Settings', detail: 'every value can be used' }];
}

function recoveryFindings({ open }: Schemas['Recovery']): Finding[] {
  return open === null
    ? []
    : [
        {
          status: 'missing',
          title: 'Recovery',
          detail: 'the database was restored; npm run reconcile ends it, and starts are refused until then',
        },
      ];
}
