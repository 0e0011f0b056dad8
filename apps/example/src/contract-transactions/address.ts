import { keccak_256 } from '@noble/hashes/sha3'

const HEX_ADDRESS = /^0x[0-9a-f]{40}$/i

/**
 * What is wrong with an address, as a sentence that names it; `undefined` when it is sound: 0x and 40 hex digits, in one case or
 * with the checksum of EIP-55, which mixed case stands for.
 */
export function addressProblem(address: string): string | undefined {
  if (!HEX_ADDRESS.test(address)) return `'${address.slice(0, 100)}' is not an address: it must be 0x and 40 hex digits`
  const digits = address.slice(2)
  if (digits === digits.toLowerCase() || digits === digits.toUpperCase()) return undefined
  const expected = checksumAddress(address)
  if (address === expected) return undefined
  return `'${address}' has a wrong checksum: either a character is mistyped, or it should be ${expected} (EIP-55)`
}

/** An address in mixed case, as EIP-55 has it: a letter is upper case where the hash of the lower-case address has 8 or more. */
export function checksumAddress(address: string): string {
  const digits = address.slice(2).toLowerCase()
  const hash = Buffer.from(keccak_256(digits)).toString('hex')
  const mixed = digits.replaceAll(/[a-f]/g, (letter, index: number) =>
    Number.parseInt(hash.charAt(index), 16) >= 8 ? letter.toUpperCase() : letter,
  )
  return `0x${mixed}`
}
