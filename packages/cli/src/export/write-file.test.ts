import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { assertWritable, writeWholeFile } from './write-file.ts'

let folder = ''
const signal = new AbortController().signal
const target = (): string => path.join(folder, 'rows.csv')

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'export-'))
  onTestFinished(() => rm(folder, { recursive: true }))
})

async function* chunks(...texts: readonly (string | Error)[]) {
  for (const text of texts) {
    if (text instanceof Error) throw text
    yield Buffer.from(text)
  }
}

describe('writeWholeFile', () => {
  it('writes a file, compressed when that is wanted, and leaves no other behind', async () => {
    await writeWholeFile(target(), chunks('a', 'b'), { signal })
    await writeWholeFile(`${target()}.gz`, chunks('a', 'b'), { signal, compress: 'gzip' })
    expect(await readFile(target(), 'utf8')).toBe('ab')
    expect(gunzipSync(await readFile(`${target()}.gz`)).toString()).toBe('ab')
    expect(await readdir(folder)).toEqual(['rows.csv', 'rows.csv.gz'])
  })

  it('leaves nothing behind, and what was there as it was, when the rows break off', async () => {
    const broken = () => chunks('a', new Error('no more rows'))
    await expect(writeWholeFile(target(), broken(), { signal })).rejects.toThrow('no more rows')
    expect(await readdir(folder)).toEqual([])
    await writeFile(target(), 'mine')
    await expect(writeWholeFile(target(), broken(), { signal, force: true })).rejects.toThrow('no more rows')
    expect(await readdir(folder)).toEqual(['rows.csv'])
    expect(await readFile(target(), 'utf8')).toBe('mine')
  })

  it('leaves nothing behind when it is interrupted', async () => {
    const interrupted = new AbortController()
    async function* interrupting() {
      yield Buffer.from('a')
      interrupted.abort()
      yield Buffer.from('b')
    }
    const writing = writeWholeFile(target(), interrupting(), { signal: interrupted.signal })
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' })
    expect(await readdir(folder)).toEqual([])
  })

  it('replaces a file only when it is told to, also one that came meanwhile', async () => {
    async function* slow() {
      await writeFile(target(), 'theirs')
      yield Buffer.from('a')
    }
    await expect(writeWholeFile(target(), slow(), { signal })).rejects.toMatchObject({ code: 'EXPORT_INVALID' })
    expect(await readFile(target(), 'utf8')).toBe('theirs')
    await writeWholeFile(target(), chunks('a'), { signal, force: true })
    expect(await readFile(target(), 'utf8')).toBe('a')
    expect(await readdir(folder)).toEqual(['rows.csv'])
  })
})

describe('assertWritable', () => {
  it('lets new files be, and those that are to be replaced', async () => {
    await assertWritable(target(), {})
    await writeFile(target(), 'mine')
    await assertWritable(target(), { force: true })
  })

  it('refuses files that exist, and what is no file, whether it is to be replaced or not', async () => {
    await writeFile(target(), 'mine')
    await mkdir(path.join(folder, 'sub'))
    await symlink(target(), path.join(folder, 'link'))
    const refused = { code: 'EXPORT_INVALID' }
    await expect(assertWritable(target(), {})).rejects.toMatchObject(refused)
    for (const name of ['sub', 'link']) {
      await expect(assertWritable(path.join(folder, name), { force: true })).rejects.toMatchObject(refused)
    }
    await expect(assertWritable('/dev/null', { force: true })).rejects.toMatchObject(refused)
  })
})
