import { expect, it } from 'vitest'

import { databaseFailure } from './database-error.ts'

const coded = (code: string) => Object.assign(new Error('failed'), { code })

it.each([
  ['28P01', 'refused'],
  ['3D000', 'refused'],
  ['40P01', 'conflict'],
  ['40001', 'conflict'],
  ['22003', 'rejected'],
  ['23514', 'rejected'],
  ['57P01', 'unavailable'],
  ['53100', 'unavailable'],
  ['08006', 'unavailable'],
  ['42P01', 'unavailable'],
  ['ECONNREFUSED', 'unavailable'],
  ['EPIPE', 'unavailable'],
  ['EAI_AGAIN', 'unavailable'],
  ['42703', 'unexpected'],
  ['42601', 'unexpected'],
  ['ERR_INVALID_ARG_TYPE', 'unexpected'],
])('takes an error with the code %s for %s', (code, failure) => {
  expect(databaseFailure(coded(code))).toBe(failure)
})

it.each([
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'Connection terminated unexpectedly',
  'Client has encountered a connection error and is not queryable',
])('takes "%s" for a database that is away', (message) => {
  expect(databaseFailure(new Error(message))).toBe('unavailable')
})

it('takes a host none of whose addresses answers for away', () => {
  expect(databaseFailure(new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]))).toBe('unavailable')
})

it.each([[new TypeError('x is not a function')], [undefined], ['text'], [new AggregateError([new TypeError('x')])]])(
  'takes %s for a mistake, which time does not heal',
  (thrown) => {
    expect(databaseFailure(thrown)).toBe('unexpected')
  },
)
