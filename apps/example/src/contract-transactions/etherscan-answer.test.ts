import { describe, expect, it } from 'vitest'

import { parseBlockNumber, parseHead, parseTransactions } from './etherscan-answer.ts'
import { ProviderError } from './provider-error.ts'

const ADDRESS = `0x${'ab'.repeat(20)}`
const row = {
  blockNumber: '4370000',
  timeStamp: '1508131331',
  hash: `0x${'AB'.repeat(32)}`,
  nonce: '1',
  blockHash: `0x${'cd'.repeat(32)}`,
  transactionIndex: '7',
  from: `0x${'Cd'.repeat(20)}`,
  to: ADDRESS,
  value: '115792089237316195423570985008687907853269984665640564039457584007913129639935',
  gas: '21000',
  gasPrice: '0',
  isError: '0',
  txreceipt_status: '1',
  input: '0xAbCd',
  contractAddress: '',
  cumulativeGasUsed: '21000',
  gasUsed: '21000',
  confirmations: '1',
  methodId: '0x',
  functionName: '',
}
const ok = (...rows: readonly object[]) => ({ status: '1', message: 'OK', result: rows })
const notOk = (result: string | null, message = 'NOTOK') => ({ status: '0', message, result })

const failureOf = (body: unknown): ProviderError => {
  try {
    parseTransactions(body)
  } catch (error) {
    if (error instanceof ProviderError) return error
    throw error
  }
  throw new Error('It was taken for an answer.')
}

const rowsOf = (body: unknown) => parseTransactions(body).map((listed) => listed.row)

describe('parseTransactions', () => {
  it('reads a row, with amounts beyond 2^53 as text and all hex in lower case', () => {
    expect(parseTransactions(ok(row))).toMatchObject([{ blockNumber: 4_370_000, blockHash: `0x${'cd'.repeat(32)}` }])
    expect(rowsOf(ok(row))).toEqual([
      {
        hash: `0x${'ab'.repeat(32)}`,
        blockNumber: 4_370_000,
        transactionIndex: 7,
        timestamp: '2017-10-16T05:22:11.000Z',
        from: `0x${'cd'.repeat(20)}`,
        to: ADDRESS,
        contractAddress: null,
        value: row.value,
        input: '0xabcd',
        gas: 21_000,
        gasUsed: 21_000,
        gasPrice: '0',
        status: 'success',
      },
    ])
  })

  it('tells a creation, a failure, and what blocks before Byzantium do not say', () => {
    const created = { ...row, to: '', contractAddress: ADDRESS }
    expect(rowsOf(ok(created))[0]).toMatchObject({ to: null, contractAddress: ADDRESS })
    expect(rowsOf(ok({ ...created, to: null }))[0]).toMatchObject({ to: null, contractAddress: ADDRESS })
    const failed = { ...created, txreceipt_status: '0', isError: '1' }
    expect(rowsOf(ok(failed))[0]).toMatchObject({ to: null, contractAddress: null, status: 'failed' })
    expect(rowsOf(ok({ ...row, txreceipt_status: '' }))[0]).toMatchObject({ status: null })
  })

  it('tells what the genesis block gave from a transaction', () => {
    const grant = {
      ...row,
      blockNumber: '0',
      timeStamp: '1438269973',
      hash: `GENESIS_${'ab'.repeat(20)}`,
      nonce: '',
      blockHash: '',
      from: 'GENESIS',
      gas: '0',
      txreceipt_status: '',
      input: '',
    }
    const [granted, sent] = parseTransactions(ok(grant, row))
    expect(granted).toEqual({ blockNumber: 0, blockHash: undefined, row: undefined })
    expect(sent?.row).toMatchObject({ blockNumber: 4_370_000 })
  })

  it('says which row is wrong, and in what', () => {
    expect(failureOf(ok(row, { ...row, value: '-1' })).message).toContain('result.1.value')
  })

  it('takes "No transactions found" for an empty list', () => {
    expect(parseTransactions({ status: '0', message: 'No transactions found', result: [] })).toEqual([])
  })

  it.each([
    ['Max rate limit reached, please use API Key for higher rate limit', 'rate_limited'],
    ['Max calls per sec rate limit reached (3/sec)', 'rate_limited'],
    ['Max daily rate limit reached. 110000 (100%) of 100000 day/limit', 'daily_limit'],
    ['Invalid API Key', 'key_refused'],
    ['Missing/Invalid API Key', 'key_refused'],
    ['Too many invalid api key attempts, please try again later', 'key_refused'],
    ['Your API key has expired', 'key_refused'],
    ['The API Key is not valid for this service', 'key_refused'],
    [
      'Missing or unsupported chainid parameter (required for v2 api), please see https://api.etherscan.io/v2/chainlist for the list of supported chainids',
      'chain_unsupported',
    ],
    [
      'Free API access is not supported for this chain. Please upgrade your api plan for full chain coverage. https://etherscan.io/apis',
      'chain_unsupported',
    ],
    ['Query Timeout occured. Please select a smaller result dataset', 'too_much'],
    ['Please specify a block range smaller than 10000000 blocks', 'too_much'],
    ['Unexpected error, timeout or server too busy. Please try again later', 'unavailable'],
    ['Error! Invalid address format', 'refused'],
    ['You are using a deprecated V1 endpoint, switch to Etherscan API V2', 'refused'],
  ])("takes '%s' for %s, although its HTTP status is 200", (text, type) => {
    const failure = failureOf(notOk(text))
    expect(failure.type).toBe(type)
    expect(failure.message).toContain(text)
  })

  it('takes a text in place of rows for a refusal, whatever the status beside it says', () => {
    const text = 'Max calls per sec rate limit reached (3/sec)'
    expect(failureOf({ status: '1', message: 'NOTOK', result: text }).type).toBe('rate_limited')
    expect(failureOf({ status: '1', message: 'OK', result: text }).type).toBe('rate_limited')
    expect(() => parseHead({ jsonrpc: '2.0', id: 83, result: text })).toThrow('asked too often')
  })

  it('goes by the rows, not by a warning beside them', () => {
    const message = 'OK-Missing/Invalid API Key, rate limit of 1/5sec applied'
    expect(parseTransactions({ status: '1', message, result: [row] })).toHaveLength(1)
  })

  it('knows a page that ends behind the window, which says so in its message', () => {
    const message = 'Result window is too large, PageNo x Offset size must be less than or equal to 10000'
    expect(failureOf(notOk(null, message)).type).toBe('too_much')
  })

  it.each([
    ['no object', 'OK'],
    ['nothing', null],
    ['an empty object', {}],
    ['rows that are no list', { status: '1', message: 'OK', result: { rows: [] } }],
    ['a row without a hash', ok({ ...row, hash: undefined })],
    ['a hash that is none', ok({ ...row, hash: '0xGENESIS' })],
    ['a value that is a number', ok({ ...row, value: 1 })],
    ['a negative value', ok({ ...row, value: '-1' })],
    ['a block number beyond 2^53', ok({ ...row, blockNumber: '9007199254740993' })],
    ['a time beyond all dates', ok({ ...row, timeStamp: '9007199254740991' })],
    ['input with half a byte', ok({ ...row, input: '0xabc' })],
  ])('refuses %s', (_what, body) => {
    expect(failureOf(body).type).toBe('invalid_data')
  })
})

describe('parseBlockNumber', () => {
  it('reads the text of Etherscan and the object of Blockscout', () => {
    expect(parseBlockNumber({ status: '1', message: 'OK', result: '9251482' })).toBe(9_251_482)
    expect(parseBlockNumber({ status: '1', message: 'OK', result: { blockNumber: '2165403' } })).toBe(2_165_403)
    expect(() => parseBlockNumber({ status: '1', message: 'OK', result: null })).toThrow('not a block number')
    expect(() => parseBlockNumber(notOk('Error! No closest block found'))).toThrow('No closest block found')
  })
})

describe('parseHead', () => {
  it('reads what a node answers behind the API, and the refusals of the API', () => {
    expect(parseHead({ jsonrpc: '2.0', id: 83, result: '0x10d4f' })).toBe(68_943)
    expect(() => parseHead({ jsonrpc: '2.0', id: 83, result: 'soon' })).toThrow("The API answered 'soon'")
    expect(() => parseHead({ jsonrpc: '2.0', id: 83, result: null })).toThrow('not a block number')
    expect(() => parseHead({ jsonrpc: '2.0', id: 83, result: '0x20000000000001' })).toThrow('too large')
    expect(() => parseHead(notOk('Invalid API Key'))).toThrow('ETHERSCAN_API_KEY')
  })
})
