import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { isCompatible, readVersions } from './versions.mjs'

test('reads the pinned versions from the root manifest', () => {
  const versions = readVersions(fileURLToPath(new URL('../..', import.meta.url)))
  expect(versions.node).toMatch(/^24\.\d+\.\d+$/)
  expect(versions.pnpm).toMatch(/^\d+\.\d+\.\d+$/)
})

test.each([
  ['12.21.0', true],
  ['12.21.1', true],
  ['12.30.0\n', true],
  ['12.20.9', false],
  ['11.99.0', false],
  ['13.0.0', false],
  ['not a version', false],
  ['', false],
])('takes a pnpm of version %j for 12.21.0: %j', (version, expected) => {
  expect(isCompatible(version, '12.21.0')).toBe(expected)
})
