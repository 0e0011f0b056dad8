import { expect, test, vi } from 'vitest'

import { retryPortConflicts, takeFreePorts } from './free-ports.ts'

test('ports taken together and one after the other are all different', async () => {
  const taken = await Promise.all([takeFreePorts(['a', 'b']), takeFreePorts(['a', 'b']), takeFreePorts(['a'])])
  const ports = taken.flatMap((each) => Object.values(each))
  expect(new Set(ports).size).toBe(5)
})

test('a start that loses its port to somebody else is repeated', async () => {
  const start = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new Error('bind: Address already in use'))
    .mockResolvedValue('up')
  await expect(retryPortConflicts(start)).resolves.toBe('up')
  expect(start).toHaveBeenCalledTimes(2)
})

test('a start that loses its ports again and again fails in the end', async () => {
  const start = vi.fn<() => Promise<string>>().mockRejectedValue(new Error('listen EADDRINUSE'))
  await expect(retryPortConflicts(start)).rejects.toThrow('EADDRINUSE')
  expect(start).toHaveBeenCalledTimes(3)
})

test('a start that fails for another reason is not repeated', async () => {
  const start = vi.fn<() => Promise<string>>().mockRejectedValue(new Error('no space left'))
  await expect(retryPortConflicts(start)).rejects.toThrow('no space left')
  expect(start).toHaveBeenCalledTimes(1)
})
