/**
 * Amazon SES as a provider: https://docs.aws.amazon.com/ses/. Its events are not read: they come through SNS,
 * and bounces are seen on the pages of SES only.
 *
 * @module
 */
import { ready, refuse, textSetting, type MailProvider } from '../provider.ts';
import { settings } from './settings.ts';
import { createSesTransport } from './transport.ts';

export const ses: MailProvider = {
  name: 'ses',
  title: 'Amazon SES',
  apiUrl: null,
  keyWindowMs: null,
  settings,
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
        configurationSet: textSetting(env, 'MAIL_SES_CONFIGURATION_SET') || null,
        ...effects,
      }),
    );
  },
};
