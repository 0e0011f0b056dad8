import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import { defineSettings, type Settings } from './define-settings.ts'
import { describeConfig } from './describe-config.ts'
import { type ConfigSource, resolveConfig } from './resolve-config.ts'
import { setting } from './setting.ts'

const settings = defineSettings({
  concurrency: setting.integer({
    key: 'BLOCKMILL_CONCURRENCY',
    flag: 'concurrency',
    description: 'handlers that run at once',
    default: 4,
    min: 1,
    max: 100,
  }),
  prefetch: setting.integer({ key: 'BLOCKMILL_PREFETCH', description: 'messages held', min: 1, max: 9 }),
  queues: setting.list({
    key: 'BLOCKMILL_QUEUES',
    description: 'queues',
    rule: 'names',
    isItem: (item) => /^[a-z]+$/.test(item),
    default: 'default',
  }),
})
const database = defineSettings({
  url: setting.url({
    key: 'DATABASE_URL',
    description: 'the database',
    protocols: ['postgresql:'],
    example: 'postgresql://user@host/name',
    required: true,
  }),
  token: setting.text({ key: 'BLOCKMILL_TOKEN', description: 'a token', secret: true }),
})
const known = [...Object.values(settings), ...Object.values(database)].map((one) => one.key)

const environment = (values: ConfigSource['values']): ConfigSource => ({
  name: 'environment',
  values,
  owns: 'keys that begin with BLOCKMILL_',
})
const file = (values: ConfigSource['values']): ConfigSource => ({
  name: 'blockmill.config.ts',
  values,
  owns: 'all keys',
})

function messageOf(given: Settings, ...sources: ConfigSource[]): string {
  try {
    resolveConfig(given, sources, known)
  } catch (error) {
    if (error instanceof ConfigurationError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  throw new Error('The configuration was accepted.')
}

test('takes defaults where nobody sets anything, and leaves out what has none', () => {
  const { config } = resolveConfig(settings, [], known)
  expect(config).toEqual({ concurrency: 4, queues: ['default'] })
  expect('prefetch' in config).toBe(false)
})

test('the first source that has a setting wins', () => {
  const sources = [
    environment({ BLOCKMILL_CONCURRENCY: '7' }),
    file({ BLOCKMILL_CONCURRENCY: 9, BLOCKMILL_PREFETCH: 2 }),
  ]
  const { config, entries } = resolveConfig(settings, sources, known)
  expect(config).toMatchObject({ concurrency: 7, prefetch: 2 })
  expect(entries.map(({ key, source }) => [key, source])).toEqual([
    ['BLOCKMILL_CONCURRENCY', 'environment'],
    ['BLOCKMILL_PREFETCH', 'blockmill.config.ts'],
    ['BLOCKMILL_QUEUES', 'default'],
  ])
})

test('takes an empty text for a setting that is not set', () => {
  expect(resolveConfig(settings, [environment({ BLOCKMILL_CONCURRENCY: '' })], known).config.concurrency).toBe(4)
})

test('takes lists and numbers of the configuration file for what they are', () => {
  const sources = [file({ BLOCKMILL_QUEUES: ['fast', 'slow'], BLOCKMILL_CONCURRENCY: 3 })]
  expect(resolveConfig(settings, sources, known).config).toMatchObject({ queues: ['fast', 'slow'], concurrency: 3 })
})

test('reports every problem at once, each with key, value, source and rule', () => {
  const message = messageOf(
    { ...settings, ...database },
    environment({ BLOCKMILL_CONCURRENCY: '0', BLOCKMILL_PREFETCH: 'many', BLOCKMILL_QUEUES: 'a,B.c' }),
  )
  expect(message).toContain('BLOCKMILL_CONCURRENCY (environment) is "0"; it must be a whole number from 1 to 100.')
  expect(message).toContain('BLOCKMILL_PREFETCH (environment) is "many"; it must be a whole number from 1 to 9.')
  expect(message).toContain('BLOCKMILL_QUEUES (environment) is "a,B.c"; it must be names.')
  expect(message).toContain(
    'DATABASE_URL is not set (the database); it must be a URL such as postgresql://user@host/name.',
  )
})

test('names the nearest setting for a key that nobody knows', () => {
  expect(messageOf(settings, environment({ BLOCKMILL_CONCURENCY: '5' }))).toContain(
    'BLOCKMILL_CONCURENCY (environment) is not a setting. Did you mean BLOCKMILL_CONCURRENCY?',
  )
})

test('accepts the settings of other services', () => {
  expect(() => resolveConfig(settings, [environment({ BLOCKMILL_TOKEN: 'x' })], known)).not.toThrow()
})

test('leaves the keys of others alone, but for those in its own file', () => {
  expect(() => resolveConfig(settings, [environment({ HOSTNAME: 'a', PGUSER: 'b' })], known)).not.toThrow()
  expect(messageOf(settings, file({ concurrency: 3 }))).toContain('concurrency (blockmill.config.ts) is not a setting.')
})

test('never shows a secret: not in errors, not in the description', () => {
  const url = 'postgresql://joe:hunter2@db.example:5432/hunter2?sslkey=hunter2'
  const { entries } = resolveConfig(database, [environment({ DATABASE_URL: url, BLOCKMILL_TOKEN: 'hunter2' })], known)
  expect(describeConfig(entries)).toContain('db.example:5432')
  expect(describeConfig(entries)).not.toContain('hunter2')
  expect(messageOf(database, environment({ DATABASE_URL: url.replace('postgresql', 'mysql') }))).not.toContain(
    'hunter2',
  )
})

test('describes each setting with its value and where it comes from', () => {
  const { entries } = resolveConfig(settings, [environment({ BLOCKMILL_QUEUES: 'a,b' })], known)
  expect(describeConfig(entries).split('\n')).toEqual([
    'BLOCKMILL_CONCURRENCY  4          default',
    'BLOCKMILL_PREFETCH     (not set)  default',
    'BLOCKMILL_QUEUES       a,b        environment',
  ])
})

test('any text either leads to a number within bounds or is refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (text) => {
      try {
        const { concurrency } = resolveConfig(settings, [environment({ BLOCKMILL_CONCURRENCY: text })], known).config
        return Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 100
      } catch (error) {
        return error instanceof ConfigurationError
      }
    }),
  )
})
