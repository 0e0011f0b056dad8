import { describe, expect, expectTypeOf, it } from 'vitest'

import type { EvmAccess, SubstrateAccess } from '../chain/chain-access.ts'
import { type AnyTaskDefinition, defineTask, type TaskDefinition } from './define-task.ts'
import { isForChainKind } from './task-chain-kind.ts'

const run = () => null

describe('isForChainKind', () => {
  it.each([
    [undefined, ['substrate']],
    ['substrate', ['substrate']],
    ['evm', ['evm']],
    ['any', ['substrate', 'evm']],
  ] as const)('takes a task with chainKind %s for %j', (chainKind, expected) => {
    const task = defineTask({ name: 'a', run, ...(chainKind !== undefined && { chainKind }) })
    expect((['substrate', 'evm'] as const).filter((kind) => isForChainKind(task, kind))).toEqual(expected)
    expect(isForChainKind(task, undefined)).toBe(true)
  })
})

describe('the chain that a task is given', () => {
  it('is of the kind that the task says it is for, in its handler and in its condition', () => {
    defineTask({ name: 'a', run: ({ chain }) => void expectTypeOf(chain).toEqualTypeOf<SubstrateAccess>() })
    defineTask({
      name: 'b',
      chainKind: 'evm',
      condition(_block, _args, { chain }) {
        expectTypeOf(chain).toEqualTypeOf<EvmAccess>()
        return true
      },
      run: ({ chain }) => void expectTypeOf(chain).toEqualTypeOf<EvmAccess>(),
    })
    defineTask({
      name: 'c',
      chainKind: 'any',
      run: ({ chain }) => void expectTypeOf(chain).toEqualTypeOf<SubstrateAccess | EvmAccess>(),
    })
    const given = defineTask<{ readonly netuid: number }, null, 'evm'>({
      name: 'd',
      chainKind: 'evm',
      args: [{ netuid: 1 }],
      run: ({ chain, args }) => (chain.kind === 'evm' && args.netuid === 1 ? null : null),
    })
    expectTypeOf(given).toEqualTypeOf<TaskDefinition<{ readonly netuid: number }, null, 'evm'>>()
    expectTypeOf(given).toExtend<AnyTaskDefinition>()
  })

  it('cannot be of a kind that there is not', () => {
    // @ts-expect-error -- what a user without a type check might write
    const define = () => defineTask({ name: 'a', chainKind: 'solana', run })
    expect(define).toThrow('chainKind is "solana"; it must be one of substrate, evm, any')
  })
})
