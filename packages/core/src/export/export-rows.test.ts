import { zstdDecompressSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import * as fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { describe, expect, it } from 'vitest'

import type { JsonObject } from '../task/json.ts'
import { exportRows, type ExportRowsOptions } from './export-rows.ts'

async function* inBatches(rows: readonly JsonObject[], size: number) {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size)
}

async function exported(rows: readonly JsonObject[], options: ExportRowsOptions, size = 2): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of await exportRows(() => inBatches(rows, size), options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const textOf = async (rows: readonly JsonObject[], options: ExportRowsOptions): Promise<string> =>
  (await exported(rows, options)).toString()

async function parquetOf(rows: readonly JsonObject[], options: Partial<ExportRowsOptions> = {}, size?: number) {
  const { buffer, byteOffset, byteLength } = await exported(rows, { ...options, format: 'parquet' }, size)
  const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
  const { schema, row_groups: groups } = parquetMetadata(file)
  const types = Object.fromEntries(schema.slice(1).map((one) => [one.name, one.converted_type ?? one.type]))
  return {
    rows: await parquetReadObjects({ file, compressors: { ZSTD: (page) => zstdDecompressSync(page) } }),
    types,
    groups,
  }
}

const mixed = [
  { hash: '0x1', block: 1, value: '123456789012345678901234567890', rate: 1, ok: true, logs: [{ a: 1 }] },
  { hash: 'Zoë "x", y\r\nz', block: 2 ** 53 - 1, value: '', rate: 0.5, ok: false, logs: {} },
  { hash: 'a\u0000b', block: null, value: null, rate: -1e300, ok: null },
]

describe('NDJSON', () => {
  it('has each row in a line, as it was', async () => {
    const lines = (await textOf(mixed, { format: 'ndjson' })).split('\n')
    expect(lines.pop()).toBe('')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(mixed)
  })

  it('is empty without rows', async () => {
    expect(await textOf([], { format: 'ndjson' })).toBe('')
  })
})

describe('CSV', () => {
  it('quotes as RFC 4180 says, tells an empty text from null, and has JSON for what is nested', async () => {
    expect(await textOf(mixed, { format: 'csv' })).toBe(
      [
        'hash,block,value,rate,ok,logs',
        '0x1,1,123456789012345678901234567890,1,true,"[{""a"":1}]"',
        '"Zoë ""x"", y\r\nz",9007199254740991,"",0.5,false,{}',
        'a\0b,,,-1e+300,,',
        '',
      ].join('\r\n'),
    )
  })

  it('is read back as it was, whatever the texts are', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('=1+1', ',', '"', '\r', '\n', ' a ', '\uFEFF'),
    )
    const rows = fc.array(fc.record({ a: text, b: text }), { minLength: 1, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        const table = await textOf(given, { format: 'csv' })
        expect(parse(table, { columns: true, record_delimiter: '\r\n' })).toEqual(given)
      }),
      { numRuns: 50 },
    )
  })

  it('has as many lines as rows, also when the only column is null', async () => {
    expect(await textOf([{ a: null }, { a: 'x' }, {}], { format: 'csv' })).toBe('a\r\n""\r\nx\r\n""\r\n')
  })

  it('leaves formulas as they are, unless they are to be escaped; negative numbers are none', async () => {
    const rows = [{ a: '=1+1', b: -1, c: '@x', d: '-1' }]
    expect(await textOf(rows, { format: 'csv' })).toContain('=1+1,-1,@x,-1')
    expect(await textOf(rows, { format: 'csv', escapeFormulas: true })).toContain("'=1+1,-1,'@x,'-1")
  })

  it('is empty without rows, and has the names of columns that were chosen', async () => {
    expect(await textOf([], { format: 'csv' })).toBe('')
    expect(await textOf([], { format: 'csv', columns: ['b', 'a'] })).toBe('b,a\r\n')
  })
})

describe('Parquet', () => {
  it('has a type for each column, and big numbers that are texts stay texts', async () => {
    const { rows, types } = await parquetOf(mixed)
    expect(types).toEqual({ hash: 'UTF8', block: 'INT64', value: 'UTF8', rate: 'DOUBLE', ok: 'BOOLEAN', logs: 'JSON' })
    expect(rows).toEqual([
      { ...mixed[0], block: 1n },
      { ...mixed[1], block: 2n ** 53n - 1n },
      { ...mixed[2], logs: null },
    ])
  })

  it('keeps a mixture as JSON, whole numbers among others as doubles, and nulls alone as texts', async () => {
    const { rows, types } = await parquetOf([
      { a: 'x', b: 1, c: null },
      { a: 1, b: 1.5, c: null },
      { a: null, b: 2 ** 53, c: null },
    ])
    expect(types).toEqual({ a: 'JSON', b: 'DOUBLE', c: 'UTF8' })
    expect(rows.map(({ a, b }) => ({ a, b }))).toEqual([
      { a: 'x', b: 1 },
      { a: 1, b: 1.5 },
      { a: null, b: 2 ** 53 },
    ])
  })

  it('writes group after group, each of bounded size', async () => {
    const many = Array.from({ length: 25_000 }, (_, block) => ({ block, text: `row ${block}` }))
    const { rows, groups } = await parquetOf(many, {}, 3_000)
    expect(groups.map((group) => Number(group.num_rows))).toEqual([10_000, 10_000, 5_000])
    expect(rows).toEqual(many.map((row) => ({ ...row, block: BigInt(row.block) })))
    const large = Array.from({ length: 20 }, () => ({ text: 'x'.repeat(1024 * 1024) }))
    expect((await parquetOf(large)).groups.map((group) => Number(group.num_rows))).toEqual(
      Array.from({ length: 20 }, () => 1),
    )
  })

  it('keeps texts as they are: repeated, long, in any script, and after a group of longer ones', async () => {
    const texts = ['', 'x', 'Zoë', '日本語', '🦊', 'é'.repeat(100_000), 'y'.repeat(300_000), 'x']
    const rows = Array.from({ length: 120 }, (_, index) => ({
      text: texts[index % texts.length] ?? null,
      often: index % 3 === 0 ? null : 'often '.repeat(1 + (index % 2)),
    }))
    const read = await parquetOf(rows)
    expect(read.groups.length).toBeGreaterThan(5)
    expect(read.rows).toEqual(rows)
    expect((await parquetOf([{ text: 'a\ud800b' }])).rows).toEqual([{ text: 'a\ufffdb' }])
  })

  it('is a file that can be read without rows, and without columns', async () => {
    expect(await parquetOf([])).toMatchObject({ rows: [], types: {} })
    expect((await parquetOf([{}, {}])).types).toEqual({})
  })
})

describe.each(['csv', 'parquet'] as const)('a %s table', (format) => {
  it('has the columns that were chosen, in that order', async () => {
    const columns = ['rate', 'hash']
    if (format === 'csv') expect(await textOf(mixed, { format, columns })).toMatch(/^rate,hash\r\n1,0x1\r\n0.5,"Zoë/)
    else expect(Object.keys((await parquetOf(mixed, { columns })).types)).toEqual(columns)
  })

  it.each([
    [['hash', 'blok'], 'No row has a column "blok". There are "hash", "block", "value"'],
    [['hash', 'hash'], 'Column "hash" is named twice.'],
    [[], 'No column is named.'],
  ])('refuses the columns %j', async (columns, message) => {
    await expect(exported(mixed, { format, columns })).rejects.toMatchObject({
      code: 'EXPORT_INVALID',
      message: expect.stringContaining(message),
    })
  })

  it('finds columns that only late rows have', async () => {
    const rows = [...Array.from({ length: 100 }, () => ({ a: 1 })), { b: 'x' }]
    if (format === 'csv') expect(await textOf(rows, { format })).toMatch(/^a,b\r\n1,\r\n[^]*\r\n,x\r\n$/)
    else expect((await parquetOf(rows)).rows.at(-1)).toEqual({ a: null, b: 'x' })
  })

  it('names the row and the column that does not fit, when only the first rows were looked at', async () => {
    const rows = [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4, b: 'x' }]
    await expect(exported(rows, { format, surveyRows: 3 })).rejects.toMatchObject({
      code: 'EXPORT_INVALID',
      message: expect.stringMatching(
        /^Row 4 has a column "b".* Look at more rows first, choose the columns, or export NDJSON/,
      ),
    })
    expect((await exported(rows, { format, surveyRows: 3, columns: ['a'] })).length).toBeGreaterThan(0)
  })

  it('does not take what every object has for a value', async () => {
    const named = JSON.parse('[{"toString":"x","__proto__":"y","constructor":"z"},{"a":"b"}]') as JsonObject[]
    const names = ['toString', '__proto__', 'constructor', 'a']
    if (format === 'csv') expect(await textOf(named, { format })).toBe(`${names.join(',')}\r\nx,y,z,\r\n,,,b\r\n`)
    else expect(Object.keys((await parquetOf(named)).types)).toEqual(expect.arrayContaining(names.toSpliced(1, 1)))
  })

  it('refuses rows whose names are data', async () => {
    const rows = Array.from({ length: 2_001 }, (_, index) => ({ [`0x${index}`]: 1 }))
    await expect(exported(rows, { format })).rejects.toMatchObject({ code: 'EXPORT_INVALID' })
  })
})

it('a Parquet table names the row whose value is of another type than those that were looked at', async () => {
  const rows = [{ a: 1 }, { a: 2 }, { a: 'three' }]
  await expect(exported(rows, { format: 'parquet', surveyRows: 2 })).rejects.toMatchObject({
    message: expect.stringMatching(/^Row 3 has text in column "a", which has integer in the rows/),
  })
  expect((await exported(rows, { format: 'csv', surveyRows: 2 })).toString()).toBe('a\r\n1\r\n2\r\nthree\r\n')
})

it.each([
  ['ndjson', 2],
  ['parquet', 20],
] as const)(
  'as %s reads no further than what is taken, and closes the source when nobody wants more',
  async (format, taken) => {
    let given = 0
    let isClosed = false
    async function* endless() {
      try {
        for (;;) {
          given += 1
          yield Array.from({ length: 1_000 }, () => ({ a: given }))
        }
      } finally {
        isClosed = true
      }
    }
    const chunks = await exportRows(endless, { format, surveyRows: 1 })
    given = 0
    isClosed = false
    await chunks.next()
    await chunks.next()
    expect(given).toBe(taken)
    await chunks.return()
    expect(isClosed).toBe(true)
  },
)
