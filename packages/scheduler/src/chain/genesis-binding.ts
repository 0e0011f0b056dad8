import { ConfigurationError } from '@blockmill/core'

import type { Sql } from '../sql.ts'

// Touches the row that is there, so that it is returned even when another process has just written it.
const BIND = `
  insert into blockmill.chain as chain (id, genesis_hash) values ($1, $2)
  on conflict (id) do update set id = chain.id returning genesis_hash`

/**
 * Binds a chain's name to its genesis hash, for good, the first time that it is used.
 *
 * @throws ConfigurationError `CHAIN_WRONG_GENESIS` when the name is bound to another chain: scheduling would mix the blocks
 * of two chains in one coverage.
 */
export async function bindGenesis(sql: Sql, chain: string, genesisHash: string): Promise<void> {
  const [bound] = await sql.query<{ genesis_hash: string }>(BIND, [chain, genesisHash])
  if (bound === undefined || bound.genesis_hash === genesisHash) return
  throw new ConfigurationError(
    'CHAIN_WRONG_GENESIS',
    `The name '${chain}' belongs to the chain with genesis ${bound.genesis_hash}, but the endpoint serves the chain with ` +
      `genesis ${genesisHash}. Point it to the right chain, or give this one a name of its own (BLOCKMILL_CHAIN).`,
  )
}
