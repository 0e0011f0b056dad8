import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** A new password: 192 random bits, in letters that need no encoding in a URL. */
export function generatePassword(): string {
  return randomBytes(24).toString('base64url')
}

/**
 * What RabbitMQ keeps of a password: a random salt of 32 bits, then SHA-256 of salt and password, in base64. The plain password
 * then never crosses the network. See https://www.rabbitmq.com/docs/passwords.
 */
export function brokerPasswordHash(password: string, salt: Buffer = randomBytes(4)): string {
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest()
  return Buffer.concat([salt, digest]).toString('base64')
}

/** PostgreSQL's own default. */
const ITERATIONS = 4096

/**
 * What PostgreSQL keeps of a password: a SCRAM-SHA-256 verifier (RFC 5803). Given in place of the password, it keeps that
 * out of the statement, which servers may log.
 *
 * @param password ASCII: other letters would have to be normalised first.
 */
export function databasePasswordHash(password: string, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256')
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest()
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${keyOf('Server Key').toString('base64')}`
}
