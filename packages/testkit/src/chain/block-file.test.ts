import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { beforeEach, expect, onTestFinished, test } from 'vitest'

import { openBlockFile, type RecordedBlock } from './block-file.ts'

let file = ''
beforeEach(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'blockmill-test-'))
  file = path.join(folder, 'below', 'blocks.jsonl')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
})

const block = (number: number): RecordedBlock => ({
  number,
  hash: `0x${number}`,
  parentHash: `0x${number - 1}`,
  header: '0x00',
  extrinsics: ['0x01'],
  changes: { '0xa1': '0x02', '0xa2': null },
})

test('gives back the blocks that were put into it, in their order', async () => {
  const { file: opened, blocks } = await openBlockFile(file)
  expect(blocks).toEqual([])
  await opened.append(block(1))
  await opened.append(block(2))
  expect((await openBlockFile(file)).blocks).toEqual([block(1), block(2)])
})

test('leaves out a block whose line was cut off, and takes others in its place', async () => {
  const { file: opened } = await openBlockFile(file)
  await opened.append(block(1))
  await appendFile(file, JSON.stringify(block(2)).slice(0, 40))
  const again = await openBlockFile(file)
  expect(again.blocks).toEqual([block(1)])
  await again.file.append(block(2))
  expect((await openBlockFile(file)).blocks).toEqual([block(1), block(2)])
})

test('holds what it is told to hold in place of all', async () => {
  const { file: opened } = await openBlockFile(file)
  await opened.append(block(1))
  await opened.replace([block(7), block(8)])
  await opened.append(block(9))
  expect((await openBlockFile(file)).blocks).toEqual([block(7), block(8), block(9)])
})
