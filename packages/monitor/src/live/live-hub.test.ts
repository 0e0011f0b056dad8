import { describe, expect, it } from 'vitest'

import { createLiveHub, LIVE_TYPES, type LiveEvent, type LiveHub, type LiveType } from './live-hub.ts'

function listen(
  hub: LiveHub,
  { lastEventId, types = LIVE_TYPES }: { lastEventId?: string; types?: readonly LiveType[] } = {},
) {
  const events: LiveEvent[] = []
  let ended = 0
  const end = hub.subscribe({
    types: new Set(types),
    lastEventId,
    onEvent: (event) => events.push(event),
    onEnd: () => {
      ended += 1
    },
  })
  return { end, events, types: () => events.map(({ type }) => type), ended: () => ended }
}

/** The id of the latest event. */
const latestId = (hub: LiveHub): string => listen(hub).events[0]?.id ?? ''

describe('a hub of live events', () => {
  it('tells a new client to load everything, and then what changes', () => {
    const hub = createLiveHub()
    hub.publish('stats', { n: 1 })
    const { events, types } = listen(hub)
    hub.publish('stats', { n: 2 })
    expect(types()).toEqual(['reset', 'stats'])
    expect(events[1]?.data).toBe('{"n":2}')
  })

  it('gives a client that comes back what it has missed, in order and once, whatever it filters', () => {
    const hub = createLiveHub()
    const lastEventId = latestId(hub)
    for (const type of LIVE_TYPES) hub.publish(type, {})
    expect(listen(hub, { lastEventId }).types()).toEqual([...LIVE_TYPES])
    expect(listen(hub, { lastEventId, types: ['workers', 'tasks'] }).types()).toEqual(['tasks', 'workers'])
    expect(listen(hub, { lastEventId: latestId(hub) }).types()).toEqual([])
  })

  it.each([
    ['events', { maxEvents: 2 }],
    ['characters', { maxLength: 4 }],
  ])('resets a client that missed more than so many %s', (_what, limits) => {
    const hub = createLiveHub(limits)
    const first = latestId(hub)
    hub.publish('stats', 1)
    hub.publish('stats', 2)
    expect(listen(hub, { lastEventId: first }).types()).toEqual(['stats', 'stats'])
    for (const n of [333, 4, 5]) hub.publish('stats', n)
    expect(listen(hub, { lastEventId: first }).types()).toEqual(['reset'])
  })

  it.each(['', 'nonsense', '00000000-1', '-1', '99999999999999999999', `${'a'.repeat(9_000)}-1`])(
    'resets a client with the foreign id %j',
    (lastEventId) => {
      const hub = createLiveHub()
      hub.publish('stats', {})
      expect(listen(hub, { lastEventId }).types()).toEqual(['reset'])
    },
  )

  it('resets a client that claims to have seen what is yet to come', () => {
    const hub = createLiveHub()
    expect(listen(hub, { lastEventId: latestId(hub).replace(/\d+$/, '7') }).types()).toEqual(['reset'])
  })

  it('takes no more clients than it may, and another when one has gone', () => {
    const told: string[] = []
    const hub = createLiveHub({ maxSubscribers: 1, onFirst: () => told.push('first'), onNone: () => told.push('none') })
    const one = listen(hub)
    expect(listen(hub).end).toBeUndefined()
    one.end?.()
    one.end?.()
    expect(listen(hub, { types: ['heads'] }).end).toBeDefined()
    expect(told).toEqual(['first', 'none', 'first'])
    expect([hub.isWanted('heads'), hub.isWanted('tasks')]).toEqual([true, false])
  })

  it('ends all clients when it closes, once, and takes no more', () => {
    const hub = createLiveHub()
    const { events, ended } = listen(hub)
    hub.close()
    hub.close()
    hub.publish('stats', {})
    expect(ended()).toBe(1)
    expect(events).toHaveLength(1)
    expect(listen(hub).end).toBeUndefined()
  })
})
