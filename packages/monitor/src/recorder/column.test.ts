import { describe, expect, it } from 'vitest'

import { type Column, columnNames, columnValues, selectColumns } from './column.ts'

interface Row {
  readonly id: string | null
  readonly at: number | null
}

const columns: readonly Column<Row>[] = [
  { name: 'id', type: 'text', value: ({ id }) => id },
  { name: 'at', type: 'timestamptz', value: ({ at }) => at },
]

describe('columns of a bulk statement', () => {
  it('are one array parameter each', () => {
    expect(columnNames(columns)).toBe('id, at')
    expect(selectColumns(columns)).toBe(
      'select id, to_timestamp(at / 1000) from unnest($1::text[], $2::float8[]) as one (id, at)',
    )
  })

  it('keep every text one element, whatever it contains', () => {
    const texts = ['a,b', '{x}', 'NULL', '', ' ', 'say "hi"', 'back\\slash', '\\"', 'nul \0']
    expect(
      columnValues(
        columns,
        texts.map((id) => ({ id, at: 1.5 })),
      ),
    ).toEqual([
      String.raw`{"a,b","{x}","NULL",""," ","say \"hi\"","back\\slash","\\\"","nul ` + '\uFFFD"}',
      '{1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5}',
    ])
    expect(columnValues(columns, [{ id: null, at: null }])).toEqual(['{NULL}', '{NULL}'])
  })

  it('have a value for each row, also where rows say the same', () => {
    const ids = ['a', 'a', null, null, 'a', 'b"', 'b"', 'NULL', null]
    expect(
      columnValues(
        columns,
        ids.map((id) => ({ id, at: null })),
      )[0],
    ).toBe(String.raw`{"a","a",NULL,NULL,"a","b\"","b\"","NULL",NULL}`)
  })
})
