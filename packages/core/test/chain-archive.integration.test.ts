import { JsonRpcError, type JsonRpcMethod } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'

import { connectionTo, GENESIS, node, OTHER_GENESIS, urlOf } from './chain-nodes.ts'

const discarded: JsonRpcMethod = () => {
  throw new JsonRpcError(4003, 'Client error: UnknownBlock: State already discarded for 0x00')
}

describe('state that a node no longer keeps', () => {
  it('is asked for at an archive node, which is connected to when it is first needed', async () => {
    let archiveConnects = 0
    const pruned = await node({ state_getStorage: discarded, system_name: () => 'pruned' })
    const archive = await node({
      chain_getBlockHash() {
        archiveConnects += 1
        return GENESIS
      },
      state_getStorage: ([key]) => `archived ${String(key)}`,
    })
    const { connection } = connectionTo([urlOf(pruned)], { archiveEndpoints: [urlOf(archive)] })
    await connection.start()
    expect(await connection.send('system_name')).toBe('pruned')
    expect(archiveConnects).toBe(0)
    expect(
      await Promise.all([connection.send('state_getStorage', ['0x01']), connection.send('state_getStorage', ['0x02'])]),
    ).toEqual(['archived 0x01', 'archived 0x02'])
    expect(await connection.send('system_name')).toBe('pruned')
    expect(archiveConnects).toBe(1)
  })

  it('fails with what to do about it where there is no archive node', async () => {
    const pruned = await node({ state_getStorage: discarded })
    const { connection } = connectionTo([urlOf(pruned)])
    await connection.start()
    const reading = connection.send('state_getStorage', ['0x01'])
    await expect(reading).rejects.toThrow(/State already discarded for 0x00\. .*CHAIN_ARCHIVE_URL/)
    await expect(reading).rejects.toMatchObject({
      code: 'CHAIN_RPC_FAILED',
      cause: { code: 4003, message: expect.stringContaining('CHAIN_ARCHIVE_URL') },
    })
  })

  it('is not taken from an archive node of another chain', async () => {
    const pruned = await node({ state_getStorage: discarded })
    const archive = await node({ state_getStorage: () => 'of another chain' }, OTHER_GENESIS)
    const { connection, lines } = connectionTo([urlOf(pruned)], { archiveEndpoints: [urlOf(archive)] })
    await connection.start()
    await expect(connection.send('state_getStorage')).rejects.toMatchObject({ code: 'CHAIN_WRONG_GENESIS' })
    expect(lines.at(-1)).toMatchObject({ msg: 'refused a chain endpoint', endpoint: `${urlOf(archive)} (archive)` })
    expect(connection.isHealthy()).toBe(true)
  })

  it('is counted apart from what an endpoint that looks alike is asked', async () => {
    const metrics = new Registry()
    const [pruned, archive] = [await node({ state_getStorage: discarded }), await node({ state_getStorage: () => 1 })]
    const { connection } = connectionTo([urlOf(pruned), `${urlOf(archive)}/key-one`], {
      archiveEndpoints: [`${urlOf(archive)}/key-two`],
      metrics,
    })
    await connection.start()
    await connection.send('state_getStorage')
    const text = await metrics.metrics()
    expect(text).toContain(`blockmill_chain_connected{endpoint="${urlOf(archive)}/…"} 0`)
    expect(text).toContain(`blockmill_chain_connected{endpoint="${urlOf(archive)}/… (archive)"} 1`)
  })

  it('does not make another error go to the archive', async () => {
    const busy = await node({
      state_getStorage: () => {
        throw new JsonRpcError(-32_000, 'Injected failure')
      },
    })
    const archive = await node({ state_getStorage: () => 'archived' })
    const { connection } = connectionTo([urlOf(busy)], { archiveEndpoints: [urlOf(archive)] })
    await connection.start()
    await expect(connection.send('state_getStorage')).rejects.toThrow('Injected failure')
  })

  it('fails when the connection is closed meanwhile, and leaves no connection behind', async () => {
    const asked = Promise.withResolvers<void>()
    const pruned = await node({ state_getStorage: discarded })
    const archive = await node({
      state_getStorage() {
        asked.resolve()
        return new Promise(() => undefined)
      },
    })
    const { connection } = connectionTo([urlOf(pruned)], { archiveEndpoints: [urlOf(archive)] })
    await connection.start()
    const reading = connection.send('state_getStorage').catch(({ code }: { code: string }) => code)
    await asked.promise
    await connection.close()
    expect(await reading).toBe('CHAIN_UNREACHABLE')
    await expect(connection.send('state_getStorage')).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
  })
})
