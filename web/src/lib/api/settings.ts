/**
 * The calls about connected systems: the CRM, and those that get events. Only Settings makes them, so other pages do not
 * load them.
 *
 * @module
 */
import type {
  CrmConnectionView,
  CrmFieldList,
  CrmPulled,
  CrmTest,
} from '../../../../src/shared/schemas/crm.ts';
import type {
  Delivery,
  DeliveryPage,
  Endpoint,
  EndpointChange,
  EndpointList,
  EndpointRequest,
  NewEndpoint,
  NewSecret,
} from '../../../../src/shared/schemas/webhooks.ts';
import { call, post, remove, send } from './client.ts';

export const settingsApi = {
  crmConnection: () => call<CrmConnectionView>('/crm/connection'),
  testCrmConnection: () => post<CrmTest>('/crm/connection/test', {}),
  crmFields: () => call<CrmFieldList>('/crm/connection/fields'),
  /** @param fields - lead fields by the CRM's; null: those of the settings again */
  chooseCrmFields: (fields: Readonly<Record<string, string>> | null) =>
    send<CrmConnectionView>('PUT', '/crm/connection/fields', { fields }),
  /** One page; a repeat changes nothing. */
  pullCrmList: (request: { listId: string; cursor: string | null }) =>
    post<CrmPulled>('/crm/connection/pull', request, AbortSignal.timeout(60_000)),
  webhooks: () => call<EndpointList>('/crm/webhooks'),
  addWebhook: (wanted: EndpointRequest) => post<NewEndpoint>('/crm/webhooks', wanted),
  changeWebhook: (endpointId: string, change: EndpointChange) =>
    send<Endpoint>('PATCH', `/crm/webhooks/${endpointId}`, change),
  deleteWebhook: (endpointId: string) => remove(`/crm/webhooks/${endpointId}`),
  rotateWebhookSecret: (endpointId: string) => post<NewSecret>(`/crm/webhooks/${endpointId}/secret`, {}),
  testWebhook: (endpointId: string) => post<Delivery>(`/crm/webhooks/${endpointId}/test`, {}),
  webhookDeliveries: (endpointId: string) => call<DeliveryPage>(`/crm/webhooks/${endpointId}/deliveries`),
  sendWebhookAgain: (endpointId: string, deliveryId: number) =>
    post<Delivery>(`/crm/webhooks/${endpointId}/deliveries/${deliveryId}/send-again`, {}),
};
