import { expect, it } from 'vitest'
import { byteSize, type ByteSize, formatBytes } from './byte-size.ts'

it.each<[ByteSize, number]>([
  ['512MiB', 536_870_912],
  ['1.5GB', 1_500_000_000],
  ['64KiB', 65_536],
  ['1KB', 1_000],
  ['1MB', 1_000_000],
  ['2GiB', 2_147_483_648],
  [1_024, 1_024],
  [0, 0],
])('reads %j as %d bytes', (size, bytes) => {
  expect(byteSize(size, 'limit')).toBe(bytes)
})

it('does not mind the case of the unit, nor a space before it', () => {
  expect(byteSize('512 mib' as ByteSize, 'limit')).toBe(536_870_912)
})

it.each(['512', 'MiB', '-1MiB', '1TiBs', '', '1e3MB', Number.NaN, -1, Number.POSITIVE_INFINITY, null, {}])(
  'refuses %j and says what to write instead',
  (size) => {
    expect(() => byteSize(size as ByteSize, 'limit')).toThrow(/^limit is .*, which is not a size\. Use text such as/)
  },
)

it.each([
  [512, '512 B'],
  [1_536, '1.5 KiB'],
  [536_870_912, '512 MiB'],
  [2_147_483_648, '2 GiB'],
])('shows %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})
