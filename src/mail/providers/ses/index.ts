/**
 * Amazon SES as a provider: https://docs.aws.amazon.com/ses/.
 *
 * @module
 */
import { ready, refuse, type MailProvider } from '../provider.ts';
import { textSetting } from '../../../shared/setting.ts';
import { settings } from './settings.ts';
import { createSesTransport } from './transport.ts';
import { webhook } from './webhook.ts';

export const ses: MailProvider = {
  name: 'ses',
  title: 'Amazon SES',
  apiUrl: null,
  keyWindowMs: null,
  settings,
  webhook,
  transport: ({ apiUrl, apiKey, env }, effects) => {
    const [, accessKeyId = '', secretAccessKey = ''] = /^([^:\s]+):(\S+)$/.exec(apiKey) ?? [];
    if (accessKeyId === '') {
      return refuse('MAIL_API_KEY', 'SES needs MAIL_API_KEY as <access key id>:<secret access key>.');
    }
    const regionOfUrl = /^https:\/\/email\.([a-z0-9-]+)\.amazonaws\.com/.exec(apiUrl)?.[1] ?? '';
    const region = textSetting(env, 'MAIL_SES_REGION') || regionOfUrl;
    if (region === '') {
      return refuse('MAIL_API_URL', 'SES needs MAIL_API_URL, such as https://email.eu-west-1.amazonaws.com.');
    }
    return ready(
      createSesTransport({
        apiUrl: apiUrl || `https://email.${region}.amazonaws.com`,
        region,
        accessKeyId,
        secretAccessKey,
        mailsPerSecond: Number(textSetting(env, 'MAIL_RATE')),
        configurationSet: textSetting(env, 'MAIL_SES_CONFIGURATION_SET') || null,
        ...effects,
      }),
    );
  },
};
