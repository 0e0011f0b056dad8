import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { argsProblems, MAX_ARGS_BYTES, type StandardSchema } from './task-args.ts'

type Validate = StandardSchema['~standard']['validate']

function standard(validate: Validate): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

it.each([null, undefined, 'text', 3, 10n, [], Symbol('s'), () => 1])('refuses %s, which is not an object', (args) => {
  expect(argsProblems(args, undefined)).toEqual([expect.stringMatching(/^args is .*; it must be an object$/)])
})

it('names what JSON cannot carry, by the name that the arguments have for the caller', () => {
  expect(argsProblems({ a: [1n] }, undefined, 'args[3]')).toEqual([
    'args[3] cannot be carried by JSON: args[3].a[0] is a bigint',
  ])
})

it('allows 64 KiB of JSON in UTF-8, and not a byte more', () => {
  const frame = Buffer.byteLength('{"s":""}')
  expect(argsProblems({ s: 'x'.repeat(MAX_ARGS_BYTES - frame) }, undefined)).toEqual([])
  expect(argsProblems({ s: 'x'.repeat(MAX_ARGS_BYTES - frame + 1) }, undefined)).toEqual([
    'args is 65537 bytes of JSON; at most 65536 are allowed',
  ])
  expect(argsProblems({ s: '€'.repeat((MAX_ARGS_BYTES - frame) / 3 + 1) }, undefined)).toHaveLength(1)
})

describe('a TypeBox schema', () => {
  const schema = Type.Object({ netuid: Type.Integer({ minimum: 0 }), keys: Type.Array(Type.String()) })

  it('admits what fits', () => {
    expect(argsProblems({ netuid: 3, keys: ['a'] }, schema)).toEqual([])
  })

  it('names the values that there are to choose from', () => {
    const choice = Type.Object({ provider: Type.Enum(['etherscan', 'rpc']) })
    expect(argsProblems({ provider: 'infura' }, choice)).toEqual(['args.provider must be one of etherscan, rpc'])
  })

  it('tells every place and rule at once', () => {
    const problems = argsProblems({ netuid: -1, keys: ['a', 2] }, schema)
    expect(problems).toEqual([
      expect.stringMatching(/^args\.netuid must/),
      expect.stringMatching(/^args\.keys\.1 must/),
    ])
  })
})

describe('a Standard Schema', () => {
  it('tells its issues with where they are', () => {
    const path = ['keys', { key: 1 }]
    const schema = standard(() => ({ issues: [{ message: 'is too short', path }, { message: 'is odd' }] }))
    expect(argsProblems({}, schema)).toEqual(['args.keys.1: is too short', 'args: is odd'])
  })

  it('admits what it has no issues with, also when the schema is a function', () => {
    const callable = Object.assign(
      () => undefined,
      standard((value) => ({ value })),
    )
    expect(argsProblems({}, callable as unknown as StandardSchema)).toEqual([])
  })

  it('must answer at once', () => {
    const schema = standard(() => Promise.reject(new Error('late')))
    expect(argsProblems({}, schema)).toEqual([expect.stringContaining('asynchronous schema')])
  })

  it('that throws is a problem like any other', () => {
    const schema = standard(() => {
      throw new Error('refinement failed')
    })
    expect(argsProblems({}, schema)).toEqual(['args: the schema threw: refinement failed'])
  })
})
