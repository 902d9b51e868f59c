/**
 * `lead-activation templates`: lists the emails that an activation can send, a line each.
 *
 * @module
 */
import { exitCodes } from '../usage.ts';
import { writeJson, type Call, type ExitCode } from './call.ts';

export async function templates({ client, options, terminal }: Call): Promise<ExitCode> {
  const list = await client.request('get', '/crm/templates');
  for (const template of list.templates) {
    if (options.json === true) await writeJson(terminal, template);
    else await terminal.write(`${template.id}\t${template.name}\n`);
  }
  return exitCodes.ok;
}
