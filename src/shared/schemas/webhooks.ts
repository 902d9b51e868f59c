/**
 * The wire contract of endpoints that get events, and of the log of deliveries.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { endpointKinds, eventTypeNames } from '../events.ts';
import { timeMs } from './common.ts';

const eventTypeSchema = z.enum(eventTypeNames).meta({
  id: 'EventType',
  description: 'What an event tells. docs/API.md lists them.',
});
const kindSchema = z.enum(endpointKinds).meta({
  id: 'EndpointKind',
  description:
    '`webhook`: a program, by Standard Webhooks. `slack` and `teams`: a channel, by its incoming webhook. `email`: a mailbox.',
});
const typesSchema = z.array(eventTypeSchema).min(1).max(eventTypeNames.length).meta({
  description: 'The events that it gets. Slack, Teams and email endpoints get those for people only.',
});
const targetSchema = z
  .string()
  .trim()
  .min(1)
  .max(limits.maxEndpointTargetLength)
  .meta({ description: 'An https address; for `email` a mailbox.' });
const descriptionSchema = z.string().trim().max(limits.maxEndpointDescriptionLength);

/** `POST /crm/webhooks`. */
export const endpointRequestSchema = z
  .strictObject({
    kind: kindSchema,
    target: targetSchema,
    description: descriptionSchema.default(''),
    types: typesSchema,
  })
  .meta({ id: 'EndpointRequest' });
export type EndpointRequest = z.infer<typeof endpointRequestSchema>;

/** `PATCH /crm/webhooks/:endpointId`: the fields that are left out stay. */
export const endpointChangeSchema = z
  .strictObject({
    target: targetSchema.optional(),
    description: descriptionSchema.optional(),
    types: typesSchema.optional(),
    isEnabled: z.boolean().optional().meta({
      description: 'False: it gets nothing; events are kept. True: it gets what it has missed, in order.',
    }),
  })
  .meta({ id: 'EndpointChange' });
/** A field that is left out stays. */
export type EndpointChange = Partial<
  Pick<EndpointRequest, 'target' | 'description' | 'types'> & { isEnabled: boolean }
>;

export const endpointSchema = z
  .object({
    endpointId: z.string(),
    kind: kindSchema,
    target: z.string().meta({
      description:
        'Without its path for Slack and Teams: who knows the whole address can write to the channel.',
    }),
    description: z.string(),
    types: z.array(eventTypeSchema),
    createdAt: timeMs,
    createdBy: z.string(),
    disabledAt: timeMs.nullable().meta({ description: 'Since when it gets nothing; null: it gets events.' }),
    disabledReason: z
      .enum(['person', 'gone', 'failing'])
      .nullable()
      .meta({ description: '`gone`: it answered 410. `failing`: it has taken nothing for three days.' }),
  })
  .meta({ id: 'Endpoint' });
export type Endpoint = z.infer<typeof endpointSchema>;

/** An endpoint, and how sending to it goes. */
export const endpointViewSchema = endpointSchema
  .extend({
    takenAt: timeMs.nullable().meta({ description: 'When it last took an event.' }),
    waitingCount: z.int().min(0).meta({ description: 'Activations whose events wait to be sent to it.' }),
    previousSecretUntil: timeMs
      .nullable()
      .meta({ description: 'Until then events are signed with the secret before as well.' }),
  })
  .meta({ id: 'EndpointView' });
export type EndpointView = z.infer<typeof endpointViewSchema>;

export const endpointListSchema = z
  .object({ endpoints: z.array(endpointSchema) })
  .meta({ id: 'EndpointList' });
export type EndpointList = z.infer<typeof endpointListSchema>;

const secretSchema = z.string().meta({
  description: 'The signing secret, `whsec_…`. It is not shown again. Empty where nothing is signed.',
});

export const newEndpointSchema = z
  .object({ endpoint: endpointSchema, secret: secretSchema })
  .meta({ id: 'NewEndpoint' });
export type NewEndpoint = z.infer<typeof newEndpointSchema>;

export const newSecretSchema = z
  .object({
    secret: secretSchema,
    previousUntil: timeMs.meta({ description: 'Until then events are signed with both secrets.' }),
  })
  .meta({ id: 'NewSecret' });
export type NewSecret = z.infer<typeof newSecretSchema>;

/** `taken`: answered with 2xx. `failing`: it will be sent again. `given_up`: after three days. */
export const deliveryStates = ['taken', 'failing', 'given_up'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export const deliverySchema = z
  .object({
    id: z.int().min(1),
    messageId: z.string().meta({ description: 'The `webhook-id`; the same for every attempt.' }),
    type: z.string().meta({ description: 'Of the event; `endpoint.test` for a test.' }),
    sessionId: z.string().nullable().meta({ description: 'Null for a test and for an alert.' }),
    state: z.enum(deliveryStates),
    attempts: z.int().min(1),
    attemptedAt: timeMs,
    durationMs: z.int().min(0).meta({ description: 'Of the last attempt.' }),
    status: z.int().nullable().meta({ description: 'HTTP status of the last answer; null: none came.' }),
    error: z.string().nullable().meta({ description: 'Why the last attempt failed.' }),
    nextAt: timeMs.nullable().meta({ description: 'When it is sent again.' }),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof deliverySchema>;

export const deliveryPageSchema = z
  .object({ deliveries: z.array(deliverySchema), nextCursor: z.string().nullable() })
  .meta({ id: 'DeliveryPage' });
export type DeliveryPage = z.infer<typeof deliveryPageSchema>;
