import { describe, expect, it } from 'vitest'

import { createEndpointList, type EndpointList } from './endpoint-list.ts'

const [A, B, C] = ['ws://a', 'ws://b', 'ws://c']
const NOW = 1_000_000

const listOf = (...endpoints: readonly string[]): EndpointList =>
  createEndpointList({ endpoints, backoff: { minMs: 200, maxMs: 15_000 }, random: () => 0.5 })

describe('an endpoint list', () => {
  it('prefers endpoints in the order given', () => {
    expect(listOf(A, B, C).next(NOW)).toEqual({ url: A, waitMs: 0 })
  })

  it('avoids one that failed, then comes back to it when the other fails too', () => {
    const list = listOf(A, B)
    expect(list.failed(A, { nowMs: NOW })).toEqual({ failures: 1, retryInMs: 300 })
    expect(list.next(NOW)).toEqual({ url: B, waitMs: 0 })
    list.failed(B, { nowMs: NOW + 10_000, heldMs: 10_000 })
    expect(list.next(NOW + 10_000)).toEqual({ url: A, waitMs: 0 })
  })

  it('tries every endpoint, however long it takes the others to fail', () => {
    const list = listOf(A, B, C)
    list.failed(A, { nowMs: NOW + 10_000 })
    list.failed(B, { nowMs: NOW + 20_000 })
    expect(list.next(NOW + 20_000)).toEqual({ url: C, waitMs: 0 })
  })

  it('forgets after a while that one failed', () => {
    const list = listOf(A, B)
    list.failed(A, { nowMs: NOW })
    expect(list.next(NOW + 9 * 60_000).url).toBe(B)
    expect(list.next(NOW + 10 * 60_000).url).toBe(A)
  })

  it('waits for the one whose pause ends first when all have failed', () => {
    const list = listOf(A, B)
    list.failed(A, { nowMs: NOW })
    list.failed(A, { nowMs: NOW })
    list.failed(B, { nowMs: NOW })
    expect(list.next(NOW + 100)).toEqual({ url: B, waitMs: 200 })
  })

  it('avoids one longer with every failure in a row, and counts from one again after it held', () => {
    const list = listOf(A)
    expect([1, 2, 3].map(() => list.failed(A, { nowMs: NOW }).retryInMs)).toEqual([300, 500, 900])
    expect(list.failed(A, { nowMs: NOW, heldMs: 4_999 }).failures).toBe(4)
    expect(list.failed(A, { nowMs: NOW, heldMs: 5_000 })).toEqual({ failures: 1, retryInMs: 300 })
  })

  it('leaves one alone as long as it wants', () => {
    const list = listOf(A)
    expect(list.failed(A, { nowMs: NOW, notBeforeMs: NOW + 60_000 }).retryInMs).toBe(60_000)
    expect(list.next(NOW + 59_000)).toEqual({ url: A, waitMs: 1_000 })
  })

  it('goes through all the others before it returns to one that was of no use', () => {
    const list = listOf(A, B, C)
    const tried: string[] = []
    for (let turn = 0; turn < 6; turn += 1) {
      const { url } = list.next(NOW + turn * 60_000)
      tried.push(url)
      list.reset(url, NOW + turn * 60_000)
    }
    expect(tried).toEqual([A, B, C, A, B, C])
  })

  it('forgets after a while that one was of no use', () => {
    const list = listOf(A, B)
    list.reset(A, NOW)
    expect(list.next(NOW + 9 * 60_000).url).toBe(B)
    expect(list.next(NOW + 10 * 60_000).url).toBe(A)
  })

  it('tries one that was of no use before it waits for another', () => {
    const list = listOf(A, B)
    list.reset(A, NOW)
    list.failed(B, { nowMs: NOW })
    expect(list.next(NOW)).toEqual({ url: A, waitMs: 0 })
  })
})
