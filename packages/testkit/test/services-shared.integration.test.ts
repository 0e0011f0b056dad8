import { createDatabase } from '@blockmill/testkit'
import { sharedServices, testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { connect } from 'amqplib'
import { Client } from 'pg'
import { describe, expect, test } from 'vitest'

import { removeBrokerNamespace } from '../src/services/broker-namespace.ts'
import { callManagement } from '../src/services/management-api.ts'
import { dropDatabase, ensureTemplate, listConnections } from '../src/services/postgres-databases.ts'

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function declareQueue(url: string, name: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  await channel.assertExchange(`${name}.exchange`, 'topic')
  await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await connection.close()
}

async function queueNames(managementUrl: string): Promise<string[]> {
  const queues = (await callManagement(managementUrl, 'GET', '/queues')) as { name: string }[]
  return queues.map(({ name }) => name)
}

describe('testBroker', () => {
  const broker = testBroker()
  const other = testBroker()

  test('gives a namespace of its own, whose queues and exchanges can be removed without touching others', async () => {
    const { managementUrl = '' } = broker
    await declareQueue(broker.url, `${broker.namespace}.work`)
    await declareQueue(broker.url, `${other.namespace}.work`)
    expect(await queueNames(managementUrl)).toContain(`${broker.namespace}.work`)

    await removeBrokerNamespace(managementUrl, broker.url, broker.namespace)

    expect(await queueNames(managementUrl)).not.toContain(`${broker.namespace}.work`)
    expect(await queueNames(managementUrl)).toContain(`${other.namespace}.work`)
    const exchange = encodeURIComponent(`${broker.namespace}.work.exchange`)
    expect(await callManagement(managementUrl, 'GET', `/exchanges/%2F/${exchange}`)).toBeUndefined()
  })
})

describe('testDatabase', () => {
  let migrations = 0
  const migrate = async (url: string) => {
    migrations += 1
    await query(url, 'create table note (text text)')
  }
  const first = testDatabase({ migrate, template: 'notes' })
  const second = testDatabase({ migrate, template: 'notes' })
  const empty = testDatabase()

  test('migrates once and gives each caller its own copy', async () => {
    await query(first.url, `insert into note values ('first')`)
    expect(await query(first.url, 'select * from note')).toEqual([{ text: 'first' }])
    expect(await query(second.url, 'select * from note')).toEqual([])
    expect(migrations).toBe(1)
  })

  test('gives an empty database in UTF-8 when no migration is given', async () => {
    expect(await query(empty.url, `select count(*)::int as tables from pg_tables where schemaname = 'public'`)).toEqual(
      [{ tables: 0 }],
    )
    expect(await query(empty.url, 'show server_encoding')).toEqual([{ server_encoding: 'UTF8' }])
  })

  test('sees connections that were left open, and drops the database all the same', async () => {
    const { databaseUrl, databasePrefix } = sharedServices()
    const name = `${databasePrefix}leaky`
    const url = await createDatabase(databaseUrl, name)
    const client = new Client({ connectionString: url, application_name: 'leaky-test' })
    const errors: Error[] = []
    client.on('error', (error: Error) => errors.push(error))
    const cut = new Promise<void>((resolve) => {
      client.once('end', resolve)
    })
    await client.connect()
    await client.query('select 42')

    expect(await listConnections(databaseUrl, name)).toEqual(['leaky-test, idle: select 42'])
    await dropDatabase(databaseUrl, name)
    await cut
    expect(errors[0]?.message).toMatch(/terminat/)
    await expect(query(url, 'select 1')).rejects.toThrow('does not exist')
  })

  test('does not take a template whose migration failed for a finished one', async () => {
    const { databaseUrl, databasePrefix } = sharedServices()
    const name = `${databasePrefix}broken`
    await expect(ensureTemplate(databaseUrl, name, () => Promise.reject(new Error('no such column')))).rejects.toThrow(
      'no such column',
    )
    await ensureTemplate(databaseUrl, name, migrate)
    const copy = await createDatabase(databaseUrl, `${name}_copy`, { template: name })
    expect(await query(copy, 'select * from note')).toEqual([])
  })
})
