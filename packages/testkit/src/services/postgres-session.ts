import { Client } from 'pg'

const CONNECT_TIMEOUT_MS = 10_000

/** Runs `work` on a connection of its own, which is closed afterwards. */
export async function withConnection<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  // A server that goes away raises an event besides rejecting the query; the query's rejection is what counts.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {
      // The connection was lost already.
    })
  }
}

/** Succeeds when the server answers a query. */
export function probePostgres(url: string): Promise<void> {
  return withConnection(url, async (client) => {
    await client.query('select 1')
  })
}
