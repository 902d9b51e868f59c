/**
 * Who leads are, by id: for lists that hold ids only.
 *
 * @module
 */

/** Address and full name of each lead that still exists. */
export async function leadNames(
  db: D1Database,
  leadIds: readonly number[],
): Promise<Map<number, { email: string; name: string }>> {
  const { results } = await db
    .prepare(
      `SELECT id, email, trim(first_name || ' ' || last_name) AS name FROM leads
       WHERE id IN (SELECT value FROM json_each(?))`,
    )
    .bind(JSON.stringify(leadIds))
    .all<{ id: number; email: string; name: string }>();
  return new Map(results.map(({ id, email, name }) => [id, { email, name }]));
}
