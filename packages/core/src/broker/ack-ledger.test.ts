import { assert, constant, integer, nat, oneof, property, record, array } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { AckLedger } from './ack-ledger.ts'

/** A channel as the broker sees it. A settlement it does not expect closes the channel. */
class BrokerChannel {
  readonly unsettled = new Set<number>()
  frames = 0

  ack(tag: number, multiple: boolean): void {
    this.frames += 1
    if (!this.unsettled.has(tag)) throw new Error(`PRECONDITION_FAILED - unknown delivery tag ${tag}`)
    for (const each of this.unsettled) if (each === tag || (multiple && each < tag)) this.unsettled.delete(each)
  }
}

function send(ledger: AckLedger, channel: BrokerChannel): void {
  const { upTo, single } = ledger.take()
  if (upTo !== undefined) channel.ack(upTo, true)
  for (const tag of single) channel.ack(tag, false)
}

function ledgerWith(deliveries: number): { ledger: AckLedger; channel: BrokerChannel } {
  const ledger = new AckLedger()
  const channel = new BrokerChannel()
  for (let tag = 1; tag <= deliveries; tag += 1) {
    ledger.deliver(tag)
    channel.unsettled.add(tag)
  }
  return { ledger, channel }
}

const step = oneof(
  { weight: 4, arbitrary: record({ type: constant('deliver' as const) }) },
  { weight: 4, arbitrary: record({ type: constant('ack' as const), at: nat() }) },
  { weight: 1, arbitrary: record({ type: constant('ackUpTo' as const), at: nat() }) },
  { weight: 1, arbitrary: record({ type: constant('settle' as const), at: nat() }) },
  { weight: 2, arbitrary: record({ type: constant('take' as const) }) },
)

describe('AckLedger', () => {
  it('acks contiguous deliveries in one frame, in whatever order they were settled', () => {
    const { ledger, channel } = ledgerWith(200)
    for (let tag = 200; tag >= 1; tag -= 1) ledger.ack(tag)
    expect(ledger.take()).toEqual({ upTo: 200, single: [] })
    expect(channel.unsettled.size).toBe(200)
  })

  it('acks what is behind an unsettled delivery one by one, instead of holding it back', () => {
    const { ledger } = ledgerWith(5)
    for (const tag of [1, 2, 4, 5]) ledger.ack(tag)
    expect(ledger.take()).toEqual({ upTo: 2, single: [4, 5] })
    ledger.ack(3)
    expect(ledger.take()).toEqual({ upTo: 3, single: [] })
  })

  it('acks up to the last delivery that the broker still waits for, not up to one that was refused or acked before', () => {
    const { ledger, channel } = ledgerWith(4)
    ledger.ack(3)
    send(ledger, channel)
    ledger.settle(4)
    channel.unsettled.delete(4)
    ledger.ack(1)
    ledger.ack(2)
    expect(ledger.take()).toEqual({ upTo: 2, single: [] })
  })

  it('takes only the first settlement of a delivery', () => {
    const { ledger } = ledgerWith(2)
    expect(ledger.ack(1)).toBe(true)
    expect(ledger.ack(1)).toBe(false)
    expect(ledger.settle(1)).toBe(false)
    expect(ledger.settle(2)).toBe(true)
    expect(ledger.ack(2)).toBe(false)
    expect(ledger.take()).toEqual({ upTo: 1, single: [] })
    expect(ledger.ack(1)).toBe(false)
    expect(ledger.hasAcks).toBe(false)
    expect(ledger.take()).toEqual({ upTo: undefined, single: [] })
  })

  it('ignores tags that were never delivered', () => {
    const { ledger } = ledgerWith(2)
    expect([0, -1, 3, 1.5].map((tag) => ledger.ack(tag))).toEqual([false, false, false, false])
    ledger.ackUpTo(99)
    expect(ledger.take()).toEqual({ upTo: 2, single: [] })
  })

  it('never sends what the broker does not expect, and in the end tells it of exactly what was settled', () => {
    assert(
      property(array(step, { maxLength: 300 }), integer({ min: 0, max: 100 }), (steps, before) => {
        const { ledger, channel } = ledgerWith(before)
        ledger.ackUpTo(before)
        send(ledger, channel)
        const unsettled = new Set<number>()
        let last = before
        for (const { type, ...rest } of steps) {
          const tag = 'at' in rest ? before + 1 + (rest.at % Math.max(1, last - before + 2)) : 0
          if (type === 'deliver') {
            last += 1
            ledger.deliver(last)
            channel.unsettled.add(last)
            unsettled.add(last)
          } else if (type === 'ack') {
            expect(ledger.ack(tag)).toBe(unsettled.delete(tag))
          } else if (type === 'ackUpTo') {
            ledger.ackUpTo(tag)
            for (const each of unsettled) if (each <= tag) unsettled.delete(each)
          } else if (type === 'settle') {
            const isFirst = unsettled.delete(tag)
            expect(ledger.settle(tag)).toBe(isFirst)
            if (isFirst) channel.ack(tag, false)
          } else {
            send(ledger, channel)
            expect([...channel.unsettled]).toEqual([...unsettled])
          }
        }
        send(ledger, channel)
        expect([...channel.unsettled]).toEqual([...unsettled])
      }),
    )
  })
})
