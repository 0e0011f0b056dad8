import { isBlockNumber, type JsonObject } from '@blockmill/core'
import { InvalidArgumentError } from 'commander'

/** Reads a block number from the command line. */
export function blockNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (isBlockNumber(number)) return number
  throw new InvalidArgumentError('It must be a block number: whole, from 0 up.')
}

/** Reads a JSON object from the command line. */
export function jsonObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new InvalidArgumentError('It must be a JSON object, such as {"netuid":1}.')
}

/** Reads a number from the command line; whether it may be that one is for others to say. */
export function anyNumber(text: string): number {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}

/** Reads how many there are to be, one at least. */
export function positiveCount(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new InvalidArgumentError('It must be a whole number from 1 up.')
}

/** Reads texts that commas part. */
export function textList(text: string): readonly string[] {
  const texts = text.split(',').map((one) => one.trim())
  if (!texts.includes('')) return texts
  throw new InvalidArgumentError('It must be names with commas between them.')
}
