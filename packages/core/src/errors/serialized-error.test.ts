import { describe, expect, it } from 'vitest'
import { NonRetryableError, RetryableError } from './blockmill-error.ts'
import { serializeError } from './serialized-error.ts'

class HttpError extends Error {
  readonly retryAfter: number
  constructor(message: string, retryAfter: number) {
    super(message)
    this.retryAfter = retryAfter
  }
}
class TooManyRequests extends HttpError {}

describe('an error as data', () => {
  it('has its name, text, stack and all of its classes', () => {
    const thrown = new TooManyRequests('slow down', 2.5)
    expect(serializeError(thrown)).toEqual({
      name: 'Error',
      message: 'slow down',
      stack: expect.stringContaining('slow down') as string,
      classes: ['Error', 'TooManyRequests', 'HttpError'],
      retryAfterMs: 2_500,
    })
  })

  it('keeps the code of our own errors', () => {
    expect(serializeError(new RetryableError('CHAIN_UNREACHABLE', 'x'))).toMatchObject({
      name: 'RetryableError',
      code: 'CHAIN_UNREACHABLE',
      classes: ['RetryableError', 'BlockmillError', 'Error'],
    })
  })

  it('tells its causes, and stops where they go in a circle', () => {
    const root = new Error('the root')
    const thrown = new NonRetryableError('CHAIN_RPC_FAILED', 'on top', { cause: new Error('between', { cause: root }) })
    expect(serializeError(thrown).stack).toMatch(
      /on top[\s\S]*caused by: Error: between[\s\S]*caused by: Error: the root/,
    )
    root.cause = thrown
    expect(serializeError(thrown).stack?.length).toBeLessThan(20_000)
  })

  it('is cut when it is long, and says by how much', () => {
    const { message, stack } = serializeError(new Error('x'.repeat(1_000_000)))
    expect(message).toMatch(/^x{4000}… \(996000 characters more\)$/)
    expect(stack?.length).toBeLessThan(17_000)
  })

  it('is small, however large its name, its code and the names of its classes are', () => {
    const huge = 'x'.repeat(2_000_000)
    class Named extends Error {}
    Object.defineProperty(Named, 'name', { value: huge })
    const data = serializeError(Object.assign(new Named('boom'), { name: huge, code: huge }))
    expect(JSON.stringify(data).length).toBeLessThan(30_000)
    expect(data).toMatchObject({ name: expect.stringMatching(/^x{200}… \(1999800 characters more\)$/) as string })
  })

  it('names no more than 20 classes', () => {
    let deepest: new (message: string) => Error = Error
    for (let depth = 0; depth < 1_000; depth += 1) {
      deepest = class extends deepest {}
      Object.defineProperty(deepest, 'name', { value: `Error${depth}` })
    }
    expect(serializeError(new deepest('boom')).classes).toHaveLength(20)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '60'])(
    'has no time to come back when it says %s',
    (retryAfter) => {
      expect(serializeError(Object.assign(new Error('x'), { retryAfter }))).not.toHaveProperty('retryAfterMs')
    },
  )
})

describe('whatever else is thrown becomes data as well', () => {
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no')
      },
      getPrototypeOf: () => {
        throw new Error('no')
      },
    },
  )

  it.each<[string, unknown]>([
    ['text', 'boom'],
    ['a number', 42],
    ['a bigint', 10n],
    ['a symbol', Symbol('s')],
    ['undefined', undefined],
    ['null', null],
    ['an object', { status: 500 }],
    ['a function', () => 1],
    ['an object that throws when it is looked at', hostile],
  ])('%s', (_, thrown) => {
    const error = serializeError(thrown)
    expect(error).toMatchObject({
      name: 'NonError',
      classes: ['NonError'],
      message: expect.stringMatching(/^a handler threw /) as string,
    })
    expect(JSON.parse(JSON.stringify(error))).toEqual(error)
  })

  it('of a value that is nested very deeply', () => {
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) as unknown
    expect(serializeError(deep).message).toMatch(/^a handler threw \[ \[ \[ \[Array\] \] \] \]/)
    expect(serializeError(new Error('x', { cause: deep }))).toMatchObject({ name: 'Error', message: 'x' })
  })

  it('with text for a name and a message, whatever an error has there', () => {
    const odd = Object.assign(new Error('x'), { name: 7, message: { deep: [1] } })
    expect(serializeError(odd)).toMatchObject({ name: '7', message: '{ deep: [ 1 ] }' })
  })
})
