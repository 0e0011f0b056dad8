import { expect, test } from 'vitest'

import { readServiceSettings } from './service-settings.ts'

test('URLs and the source that is asked for are read', () => {
  const environment = {
    RABBITMQ_URL: 'amqp://broker',
    DATABASE_URL: 'postgres://database',
    BLOCKMILL_TEST_SERVICES: 'native',
  }
  expect(readServiceSettings(environment)).toEqual({
    brokerUrl: 'amqp://broker',
    databaseUrl: 'postgres://database',
    only: 'native',
  })
})

test('empty values count as unset', () => {
  expect(readServiceSettings({ RABBITMQ_URL: '', DATABASE_URL: '', BLOCKMILL_TEST_SERVICES: '' })).toEqual({})
})

test.each(['Native', 'podman', 'environment'])('%j is refused as a source', (value) => {
  expect(() => readServiceSettings({ BLOCKMILL_TEST_SERVICES: value })).toThrow(
    `BLOCKMILL_TEST_SERVICES is "${value}", but must be "docker" or "native"`,
  )
})
