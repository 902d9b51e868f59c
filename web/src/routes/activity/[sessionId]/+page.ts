import { error } from '@sveltejs/kit';
import { isSessionId } from '../../../../../src/shared/session-id.ts';
import { messages } from '../../../lib/messages/messages.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = ({ params }) => {
  if (!isSessionId(params.sessionId)) error(404);
  return { title: messages.run.title, sessionId: params.sessionId };
};
