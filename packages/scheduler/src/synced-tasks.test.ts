import {
  type ChainKind,
  createLogger,
  createSilentLogger,
  createTaskRegistry,
  defineRangeTask,
  defineTask,
} from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { syncTasks } from './synced-tasks.ts'

const run = () => null

describe('syncTasks', () => {
  it('takes the tasks that name this chain or none', () => {
    const tasks = [
      defineTask({ name: 'everywhere', run }),
      defineTask({ name: 'here', chains: ['dev', 'test'], run }),
      defineTask({ name: 'elsewhere', chains: ['finney'], run }),
    ]
    const registry = createTaskRegistry(tasks.map((definition) => ({ definition, file: 'tasks.ts' })))
    const chain = { chain: 'dev', chainKind: 'substrate' } as const
    expect(syncTasks(registry, chain, createSilentLogger()).tasks.map(({ name }) => name)).toEqual([
      'everywhere',
      'here',
    ])
  })

  it('leaves out tasks for another kind of chain, and names them', () => {
    const tasks = [
      defineTask({ name: 'on-substrate', run }),
      defineTask({ name: 'on-evm', chainKind: 'evm', run }),
      defineTask({ name: 'on-any', chainKind: 'any', run }),
    ]
    const registry = createTaskRegistry(tasks.map((definition) => ({ definition, file: 'tasks.ts' })))
    const lines: { readonly msg: string; readonly tasks?: readonly string[] }[] = []
    const logger = createLogger({
      service: 'test',
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    })
    const names = (chainKind: ChainKind | undefined) =>
      syncTasks(registry, { chain: 'dev', chainKind }, logger).tasks.map(({ name }) => name)
    expect(names('evm')).toEqual(['on-any', 'on-evm'])
    expect(lines.find(({ msg }) => msg === 'tasks for another kind of chain are left out')?.tasks).toEqual([
      'on-substrate',
    ])
    expect(names('substrate')).toEqual(['on-any', 'on-substrate'])
    expect(names(undefined)).toHaveLength(3)
  })

  it('keeps range tasks apart, and takes those for any kind of chain', () => {
    const registry = createTaskRegistry(
      [
        defineTask({ name: 'block', run }),
        defineRangeTask({ name: 'range', run }),
        defineRangeTask({ name: 'range-on-evm', chainKind: 'evm', run }),
        defineRangeTask({ name: 'range-elsewhere', chains: ['other'], run }),
      ].map((definition) => ({ definition, file: 'tasks.ts' })),
    )
    const { tasks, rangeTasks } = syncTasks(registry, { chain: 'dev', chainKind: 'substrate' }, createSilentLogger())
    expect(tasks.map(({ name }) => name)).toEqual(['block'])
    expect(rangeTasks.map(({ name }) => name)).toEqual(['range'])
  })
})
