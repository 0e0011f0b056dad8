import { expect, test } from 'vitest'

import { devChainSettings } from './dev-chain-settings.ts'
import { KNOWN_KEYS } from './known-keys.ts'
import { monitorSettings } from './monitor-settings.ts'
import { resolveConfig } from './resolve-config.ts'
import { schedulerSettings } from './scheduler-settings.ts'
import { parseSetting } from './setting.ts'
import { workerSettings } from './worker-settings.ts'

const services = { schedulerSettings, workerSettings, monitorSettings, devChainSettings }
const all = Object.entries(services).flatMap(([service, settings]) =>
  Object.values(settings).map((one) => [`${one.key} of ${service}`, one] as const),
)

test.each(all)('the default of %s keeps its own rule', (_name, one) => {
  if (one.defaultText !== undefined) expect(parseSetting<unknown>(one, one.defaultText)).toHaveProperty('value')
})

test.each(all)('%s is known to every service', (_name, one) => {
  expect(KNOWN_KEYS).toContain(one.key)
})

test('one key has one meaning: the services that share it read it alike', () => {
  const texts = ['1', '5', '90s', '2m', '0', 'resume', 'default', 'a,b', 'amqp://h', 'ws://h', 'dev', 'info', '0.0.0.0']
  const read = new Map<string, string>()
  for (const [, one] of all) {
    const readings = JSON.stringify(texts.map((text) => parseSetting<unknown>(one, text)))
    expect(read.get(one.key) ?? readings).toBe(readings)
    read.set(one.key, readings)
  }
})

const REQUIRED = { DATABASE_URL: 'postgresql://u:p@127.0.0.1/d', CHAIN_URL: 'dev' }
const schedulerConfig = (values: Record<string, string>) =>
  resolveConfig(
    schedulerSettings,
    [{ name: 'environment', values: { ...REQUIRED, ...values }, owns: 'keys that begin with BLOCKMILL_' }],
    KNOWN_KEYS,
  ).config

test('the scheduler needs a database and a chain, and nothing else', () => {
  expect(schedulerConfig({})).toMatchObject({
    start: 'resume',
    pollIntervalMs: 1_000,
    maxAttempts: 3,
    retryBackoffMs: 60_000,
    maxRetryDelayMs: 86_400_000,
    brokerUrl: 'amqp://127.0.0.1:5672',
    namespace: 'blockmill',
  })
})

test.each([
  ['resume', 'resume'],
  ['current', 'current'],
  ['0', 0],
  ['19000000', 19_000_000],
])('BLOCKMILL_START %j is %j', (text, expected) => {
  expect(schedulerConfig({ BLOCKMILL_START: text }).start).toBe(expected)
})

test.each(['-1', '1.5', 'latest', 'None', '9007199254740992'])('BLOCKMILL_START %j is refused', (text) => {
  expect(() => schedulerConfig({ BLOCKMILL_START: text })).toThrow('resume, current or a block number')
})

test.each([
  ['BLOCKMILL_MAX_ATTEMPTS', ['1', '10'], ['0', '11']],
  ['BLOCKMILL_RETRY_BACKOFF', ['1', '60'], ['0', '61', '30s']],
  ['BLOCKMILL_MAX_RETRY_DELAY', ['1', '10080', '7d'], ['0', '10081']],
  ['BLOCKMILL_POLL_INTERVAL', ['1', '3600'], ['0', '3601']],
  ['BLOCKMILL_LEASE_TTL', ['1', '5m'], ['0', '999ms', '301']],
  ['CHAIN_URL', ['finney', 'ws://a:1,wss://b', 'https://a/key'], ['ftp://a', 'finny']],
  ['CHAIN_ARCHIVE_URL', ['finney', 'wss://b,http://a'], ['ftp://a', 'finny']],
  ['LOG_LEVEL', ['debug'], ['verbose', 'INFO']],
  ['PORT', ['0', '65535'], ['65536', '-1', 'http']],
])('%s accepts its range and nothing beside it', (key, accepted, refused) => {
  for (const text of accepted) expect(() => schedulerConfig({ [key]: text })).not.toThrow()
  for (const text of refused) expect(() => schedulerConfig({ [key]: text })).toThrow(key)
})

test('workers need no database', () => {
  expect(Object.values(workerSettings).map((one) => one.key)).not.toContain('DATABASE_URL')
})

test.each([
  ['high,normal,low', ['high', 'normal', 'low']],
  ['low', ['low']],
  [' normal , high,high', ['high', 'normal']],
])('lanes %j are %j', (text, lanes) => {
  expect(parseSetting(workerSettings.lanes, text)).toEqual({ value: lanes })
})

test.each(['', 'lowest', 'high;low', 'high,', 'LOW'])('lanes %j are refused', (text) => {
  expect(parseSetting(workerSettings.lanes, text)).toHaveProperty('problem')
})

test('postpones may be without limit', () => {
  expect(parseSetting(workerSettings.maxPostpones, 'unlimited')).toEqual({ value: null })
})

test.each([
  ['512MiB', 536_870_912],
  ['1.5GB', 1_500_000_000],
  ['16777216', 16_777_216],
])('memory per child %j is %d bytes', (text, bytes) => {
  expect(parseSetting(workerSettings.maxMemoryPerChildBytes, text)).toEqual({ value: bytes })
})

test.each(['200000', '1MiB', '-1', 'much'])(
  'memory per child %j is refused: less than a process takes, or no size',
  (text) => {
    expect(parseSetting(workerSettings.maxMemoryPerChildBytes, text)).toEqual({
      problem: expect.stringContaining('a size from 16 MiB up') as string,
    })
  },
)

test.each(['0', '-1', '1.5', 'all'])('%j tasks per child are refused', (text) => {
  expect(parseSetting(workerSettings.maxTasksPerChild, text)).toHaveProperty('problem')
})
