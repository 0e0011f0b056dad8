import { describe, expect, it } from 'vitest'

import { createPromiseCache } from './promise-cache.ts'

describe('createPromiseCache', () => {
  it('makes one result for all who ask for a key, at the same time or later', async () => {
    const cache = createPromiseCache<number>(10)
    let made = 0
    const create = async (): Promise<number> => ++made
    expect(await Promise.all([cache.get('a', create), cache.get('a', create)])).toEqual([1, 1])
    expect(await cache.get('a', create)).toBe(1)
    expect(await cache.get('b', create)).toBe(2)
  })

  it('shares a rejection with those who wait, and forgets it before anyone can ask again', async () => {
    const cache = createPromiseCache<string>(10)
    const failure = Promise.withResolvers<string>()
    const waiting = [cache.get('a', () => failure.promise), cache.get('a', () => Promise.resolve('not called'))]
    failure.reject(new Error('transient'))
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await cache.get('a', () => Promise.resolve('recovered'))).toBe('recovered')
  })

  it('does not forget a newer result because an older one failed', async () => {
    const cache = createPromiseCache<string>(10)
    const old = Promise.withResolvers<string>()
    const waiting = cache.get('a', () => old.promise)
    cache.delete('a')
    await cache.get('a', () => Promise.resolve('new'))
    old.reject(new Error('late'))
    await waiting.catch(() => undefined)
    expect(await cache.get('a', () => Promise.resolve('newest'))).toBe('new')
  })

  it('keeps no more than it may, dropping what was not used for longest', async () => {
    const cache = createPromiseCache<string>(2)
    const ask = (key: string): Promise<string> => cache.get(key, () => Promise.resolve(`${key}${Math.random()}`))
    const [a, b] = [await ask('a'), await ask('b')]
    expect(await ask('a')).toBe(a)
    await ask('c')
    expect(await ask('a')).toBe(a)
    expect(await ask('b')).not.toBe(b)
  })
})
