import { expect, test } from 'vitest'

import { textTable } from './text-table.ts'

test('columns are as wide as they need to be, numbers at the right', () => {
  const rows = [
    ['every-block', 20, 'x'],
    ['b', 5, 'longer'],
  ]
  expect(textTable(['task', 'scheduled', ''], rows).split('\n')).toEqual([
    'task         scheduled',
    '-----------  ---------  ------',
    'every-block         20  x',
    'b                    5  longer',
  ])
})

test('a table without rows is its headings', () => {
  expect(textTable(['a', 'bc'], [])).toBe('a  bc\n-  --')
})
