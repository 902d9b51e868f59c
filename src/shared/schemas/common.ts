/**
 * The wire contract, as zod schemas: parts that every subject uses, and the settings.
 *
 * Owns forms and bounds of requests and responses. The routes validate with them, and /openapi.json is made from
 * them. Has no defaults that need a clock, no SQL and no HTTP. The web app imports only types from here, so that zod
 * stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { roles } from '../roles.ts';
import { sessionIdPattern } from '../session-id.ts';

export const count = z.int().min(0);
export const timeMs = z.int().min(0).meta({ description: 'Epoch milliseconds.' });

/** A schema that has a name in the description, or null. For `.nullable()` the description would make the name nullable. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()]);

export const sessionIdSchema = z
  .string()
  .regex(sessionIdPattern, 'must look like activation_1704123456789_a7bc3d2f1')
  .meta({
    id: 'SessionId',
    description: 'Name of one bulk activation, made by the client; also the idempotency key of its start.',
    example: 'activation_1704123456789_a7bc3d2f1',
  });

export const leadIdSchema = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

export const templateIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be lower-case words joined by -');

/** Why an address must not be mailed. `provider`: the mail provider holds it back by its own list. */
export const suppressionReasons = [
  'unsubscribed',
  'complained',
  'hard_bounce',
  'provider',
  'manual',
  'imported',
] as const;
export type SuppressionReason = (typeof suppressionReasons)[number];

/** A mail as it would be sent. */
export const renderedMailSchema = z
  .object({
    leadId: leadIdSchema,
    to: z.string(),
    subject: z.string(),
    html: z.string(),
    text: z.string(),
  })
  .meta({ id: 'RenderedMail' });
export type RenderedMail = z.infer<typeof renderedMailSchema>;

/** What the running app is connected to; the web app shows it. */
export const settingsSchema = z
  .object({
    user: z.object({ email: z.string(), name: z.string(), role: z.enum(roles) }),
    retentionDays: z
      .number()
      .meta({ description: 'Days for which an activation knows whom it mailed after its end.' }),
    dataJurisdiction: z
      .string()
      .nullable()
      .meta({ description: 'Where the database and all activations are kept; null: no jurisdiction.' }),
    mail: z.object({
      provider: z.string(),
      from: z.string(),
      inboxUrl: z.string().nullable().meta({ description: 'Inbox page of the stand-in mail API.' }),
      callsPerSecond: z.number(),
      reportsDeliveries: z.boolean().meta({
        description: 'Whether the provider reports deliveries, bounces and complaints.',
      }),
      mailsPerCall: z.int().min(1).meta({ description: 'Emails that one call to the provider takes.' }),
    }),
    activate: z.object({
      confirmAbove: count.meta({ description: 'Above this many leads, a person types the count to start.' }),
      approvalAbove: count.nullable().meta({
        description: 'Above this many leads, another person has to approve; null: nobody has to.',
      }),
      undoSeconds: z.number().min(0).meta({ description: 'Seconds in which a start can be undone.' }),
      takeBackDays: z
        .number()
        .min(0)
        .meta({ description: 'Days after its end for which an activation can be taken back.' }),
    }),
    failedWebhookCount: count.meta({
      description:
        'Webhooks that were switched off because they took no event for three days, or answered 410; 0 for who cannot change them.',
    }),
  })
  .meta({ id: 'Settings' });
export type Settings = z.infer<typeof settingsSchema>;

/** Every setting with its value, for who may configure the app. */
export const settingValuesSchema = z
  .object({
    settings: z.array(
      z.object({
        name: z.string().meta({ description: 'Name of the variable or secret, as in wrangler.toml.' }),
        group: z.string(),
        meaning: z.string(),
        value: z
          .string()
          .nullable()
          .meta({ description: 'Null where nothing is set, and for every secret.' }),
        default: z.string().nullable(),
        isSecret: z.boolean(),
        isSet: z.boolean(),
        problem: z
          .string()
          .nullable()
          .meta({ description: 'What is wrong with the value; the default holds then.' }),
        takenBy: z.array(z.enum(['start', 'deploy'])).meta({ description: 'Commands that set it.' }),
      }),
    ),
  })
  .meta({ id: 'SettingValues' });
export type SettingValues = z.infer<typeof settingValuesSchema>;
