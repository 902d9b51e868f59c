/** Where the Worker with a movable clock (clocked-worker.ts) is told to move it: a POST of so many ms. */
export const clockPath = '/crm/test-clock';
