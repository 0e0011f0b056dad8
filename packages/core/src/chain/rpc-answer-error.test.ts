import { describe, expect, it } from 'vitest'

import { isRateLimit, parseAnswerError, RpcAnswerError } from './rpc-answer-error.ts'

describe('isRateLimit', () => {
  it.each([
    [429, ''],
    [-32_029, 'capacity'],
    [-32_005, 'limit exceeded'],
    [-32_005, 'daily request count exceeded, request rate limited'],
    [-32_000, 'Too Many Requests'],
    [-32_999, 'RPC rate limit'],
    [-32_603, 'Your app has exceeded its compute units per second capacity'],
    [15, 'too many requests, reason: call rate limit exhausted'],
    [-32_000, "You've exceeded the RPS limit available on the current plan"],
    [-32_007, '50/second request limit reached'],
  ])('takes %d %j for a limit on the rate', (code, text) => {
    expect(isRateLimit(new RpcAnswerError(code, text))).toBe(true)
  })

  it.each([
    [-32_005, 'query returned more than 10000 results'],
    [-32_005, 'block range is too wide'],
    [-32_000, 'Injected failure'],
    [-32_601, 'Method not found'],
    [4003, 'Client error: UnknownBlock: State already discarded'],
    [1010, 'Invalid Transaction: rate limit of the runtime exceeded'],
    [Number.NaN, 'undefined'],
    [3, 'execution reverted: rate limit exceeded'],
    [-32_000, 'execution reverted: rate limit exceeded'],
    [-32_015, 'VM execution error. (revert: too many requests per second)'],
    [503, 'Service Unavailable'],
  ])('does not take %d %j for one', (code, text) => {
    expect(isRateLimit(new RpcAnswerError(code, text))).toBe(false)
  })
})

it('takes any unavailability for a limit on the rate that comes with the time at which it ends', () => {
  expect(isRateLimit(new RpcAnswerError(503, 'Service Unavailable', 3_000))).toBe(true)
})

describe('parseAnswerError', () => {
  it('carries code, message, detail and how long to wait', () => {
    const error = parseAnswerError({ code: -32_005, message: 'limit exceeded', data: { retryAfter: 2 } })
    expect(error).toMatchObject({
      code: -32_005,
      message: 'limit exceeded ({"retryAfter":2})',
      retryAfterMs: 2_000,
    })
    expect(parseAnswerError({ code: 1, message: 'bad' })).toMatchObject({ message: 'bad', retryAfterMs: undefined })
  })

  it('says what it can of errors that make no sense', () => {
    const deep = JSON.parse(`${'[{"rate":'.repeat(20_000)}1${'}]'.repeat(20_000)}`) as unknown
    const rates = JSON.parse(`${'{"rate":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as unknown
    expect(parseAnswerError({ code: 1, message: { toString: 1 } }).message).toBe('{"toString":1}')
    expect(parseAnswerError({ code: 1, message: deep }).message).toBe('unreadable')
    expect(parseAnswerError({ code: 1, message: 'no', data: deep }).message).toBe('no (unreadable)')
    expect(parseAnswerError({ code: 1, message: 'no', data: rates })).toMatchObject({ retryAfterMs: undefined })
  })

  it('cuts keys out of URLs and traces short', () => {
    const { message } = parseAnswerError({ code: 1, message: `see https://node.example/secret ${'x'.repeat(9_000)}` })
    expect(message).toContain('https://node.example/…')
    expect(message.length).toBeLessThan(600)
  })
})
