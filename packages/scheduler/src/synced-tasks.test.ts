import { createSilentLogger, createTaskRegistry, defineTask, everyBlock, everyNBlocks, never } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { describeCondition, syncTasks } from './synced-tasks.ts'

const run = () => null

describe('syncTasks', () => {
  it('takes the tasks that name this chain or none', () => {
    const tasks = [
      defineTask({ name: 'everywhere', run }),
      defineTask({ name: 'here', chains: ['dev', 'test'], run }),
      defineTask({ name: 'elsewhere', chains: ['finney'], run }),
    ]
    const registry = createTaskRegistry(tasks.map((definition) => ({ definition, file: 'tasks.ts' })))
    expect(syncTasks(registry, 'dev', createSilentLogger()).map(({ name }) => name)).toEqual(['everywhere', 'here'])
  })
})

describe('describeCondition', () => {
  it.each([
    [everyBlock, 'every block'],
    [everyNBlocks(10), 'every 10 blocks'],
    [everyNBlocks(10, { offset: 3 }), 'every 10 blocks, offset 3'],
    [never, 'never by itself'],
    [() => true, 'when its condition holds'],
  ])('says when a task runs', (condition, text) => {
    expect(describeCondition(condition)).toBe(text)
  })
})
