import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { LIMIT_RANGE } from './adaptive-limit.ts'
import { createRequestLimiter, type RequestLimiter, type RequestTurn } from './request-limiter.ts'

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  expect(left).toBe(0)
})

const limiter = (onChange: (limit: number, inFlight: number) => void = () => undefined): RequestLimiter =>
  createRequestLimiter({ random: () => 0, onChange })

/** Takes a turn that must be there at once. */
const taken = async (from: RequestLimiter): Promise<RequestTurn> => {
  const turn = await from.take(0)
  if (turn === undefined) throw new Error('There was no turn.')
  return turn
}
const filled = (from: RequestLimiter): Promise<RequestTurn[]> =>
  Promise.all(Array.from({ length: LIMIT_RANGE.start }, () => taken(from)))

/** Notes the names of those who got a turn, and ends it. */
const queue = (from: RequestLimiter, order: string[]) => async (name: string, again?: boolean) => {
  const turn = await from.take(10_000, { again: again === true })
  order.push(turn === undefined ? `${name} sent away` : name)
  turn?.end({ type: 'answered' })
}

describe('a request limiter', () => {
  it('gives no more turns than allowed, then one for each that ends, in order, repeated requests first', async () => {
    const requests = limiter()
    const turns = await filled(requests)
    const order: string[] = []
    const ask = queue(requests, order)
    const asked = [ask('first'), ask('second'), ask('repeated', true)]
    await vi.advanceTimersByTimeAsync(100)
    expect(order).toEqual([])
    turns[0]?.end({ type: 'answered' })
    await Promise.all(asked)
    expect(order).toEqual(['repeated', 'first', 'second'])
    for (const turn of turns.slice(1)) turn.end({ type: 'answered' })
  })

  it('does not let anyone pass those who wait', async () => {
    const requests = limiter()
    const turns = await filled(requests)
    const order: string[] = []
    const ask = queue(requests, order)
    const first = ask('first')
    turns[0]?.end({ type: 'answered' })
    await Promise.all([first, ask('second')])
    expect(order).toEqual(['first', 'second'])
    for (const turn of turns.slice(1)) turn.end({ type: 'answered' })
  })

  it('gives up waiting in time, and the turn then goes to the next', async () => {
    const requests = limiter()
    const turns = await filled(requests)
    const hasty = requests.take(50)
    const patient = requests.take(10_000)
    await vi.advanceTimersByTimeAsync(50)
    expect(await hasty).toBeUndefined()
    turns[0]?.end({ type: 'answered' })
    expect(await patient).toBeDefined()
  })

  it('gives no turn before the endpoint wants to hear from anybody again', async () => {
    const requests = limiter()
    const [turn, other] = [await taken(requests), await taken(requests)]
    turn.end({ type: 'rate_limited', retryAfterMs: 3_000 })
    other.end({ type: 'answered' })
    expect(requests.pausedUntilMs).toBe(performance.now() + 3_000)
    let got = false
    const waiting = requests.take(10_000).then(() => (got = true))
    await vi.advanceTimersByTimeAsync(2_999)
    expect(got).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await waiting
  })

  it('leaves no timer behind when all have given up before a pause is over', async () => {
    const requests = limiter()
    const turn = await taken(requests)
    turn.end({ type: 'rate_limited', retryAfterMs: 86_400_000 })
    const waiting = requests.take(50)
    await vi.advanceTimersByTimeAsync(50)
    expect(await waiting).toBeUndefined()
  })

  it('keeps to a pause that grows while others already wait for its end', async () => {
    const requests = limiter()
    const [turn, late] = [await taken(requests), await taken(requests)]
    turn.end({ type: 'rate_limited', retryAfterMs: 1_000 })
    let got = false
    const waiting = requests.take(10_000).then(() => (got = true))
    late.end({ type: 'rate_limited', retryAfterMs: 5_000 })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(got).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await waiting
  })

  it('sends all away who wait, and serves those who come later', async () => {
    const requests = limiter()
    const turns = await filled(requests)
    const order: string[] = []
    const ask = queue(requests, order)
    const asked = [ask('first'), ask('again', true)]
    requests.sendAway()
    await Promise.all(asked)
    expect(order.sort()).toEqual(['again sent away', 'first sent away'])
    turns[0]?.end({ type: 'lost' })
    await ask('later')
    expect(order.at(-1)).toBe('later')
  })

  it('tells how many are allowed and in flight', async () => {
    const seen: [number, number][] = []
    const requests = limiter((limit, inFlight) => seen.push([limit, inFlight]))
    const turn = await taken(requests)
    turn.end({ type: 'timed_out' })
    expect(seen).toEqual([
      [LIMIT_RANGE.start, 1],
      [LIMIT_RANGE.start / 2, 0],
    ])
  })

  it('learns nothing from a connection that was lost', async () => {
    const seen: number[] = []
    const requests = limiter((limit) => seen.push(limit))
    for (const turn of await filled(requests)) turn.end({ type: 'lost' })
    expect(new Set(seen)).toEqual(new Set([LIMIT_RANGE.start]))
  })
})
