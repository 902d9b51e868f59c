/** The settings of Amazon SES. @module */
import type { Setting } from '../../../shared/setting.ts';
import { isTopicArn } from './sns.ts';

export const settings: readonly Setting[] = [
  {
    name: 'MAIL_SES_REGION',
    isSecret: false,
    default: null,
    meaning: 'Region of Amazon SES, where `MAIL_API_URL` does not name it.',
  },
  {
    name: 'MAIL_SES_CONFIGURATION_SET',
    isSecret: false,
    default: null,
    meaning: 'Configuration set of Amazon SES whose events report deliveries, bounces and complaints.',
  },
  {
    name: 'MAIL_SES_TOPIC_ARN',
    isSecret: false,
    default: null,
    meaning: 'ARN of the Amazon SNS topic to which the configuration set publishes its events.',
    check: (value) =>
      isTopicArn(value)
        ? null
        : 'is the ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:mail-events',
  },
];
