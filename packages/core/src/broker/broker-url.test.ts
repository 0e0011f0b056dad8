import { describe, expect, it } from 'vitest'

import { parseBrokerUrl } from './broker-url.ts'

describe('parseBrokerUrl', () => {
  it('fills in the port, the default user and a heartbeat of 20 s', () => {
    expect(parseBrokerUrl('amqp://broker').connect).toEqual({
      protocol: 'amqp',
      hostname: 'broker',
      port: 5672,
      username: 'guest',
      password: 'guest',
      vhost: '',
      heartbeat: 20,
    })
    expect(parseBrokerUrl('amqps://broker').connect).toMatchObject({ protocol: 'amqps', port: 5671 })
  })

  it('takes everything from the URL, percent-decoded as UTF-8', () => {
    expect(parseBrokerUrl('amqps://m%C3%BCller:p%C3%A4ss%2F%3A@[::1]:5673/block%2Fmill?heartbeat=5').connect).toEqual({
      protocol: 'amqps',
      hostname: '::1',
      port: 5673,
      username: 'müller',
      password: 'päss/:',
      vhost: 'block%2Fmill',
      heartbeat: 5,
    })
  })

  it("reads RabbitMQ's parameters for TLS", () => {
    const url = 'amqps://broker?cacertfile=/ca.pem&certfile=/c%20d.pem&keyfile=/c.key&server_name_indication=mq'
    expect(parseBrokerUrl(url).tls).toEqual({
      caFile: '/ca.pem',
      certFile: '/c d.pem',
      keyFile: '/c.key',
      serverName: 'mq',
    })
    expect(parseBrokerUrl('amqps://broker?verify=verify_peer').tls).toEqual({})
    expect(parseBrokerUrl('amqp://broker').tls).toBeUndefined()
  })

  it.each([
    ['amqp://broker', 'guest', '/', 'amqp://guest:***@broker'],
    ['amqp://broker:5673/', 'guest', '/', 'amqp://guest:***@broker:5673/'],
    ['amqp://mill:s%3Acret@broker/block%2Fmill', 'mill', 'block/mill', 'amqp://mill:***@broker/block%2Fmill'],
    ['amqps://mill:secret@[::1]:5671/v?heartbeat=5', 'mill', 'v', 'amqps://mill:***@[::1]:5671/v'],
  ])('reads %s without giving the password away', (url, user, virtualHost, redacted) => {
    expect(parseBrokerUrl(url)).toMatchObject({ user, virtualHost, redacted })
  })

  it.each([
    ['', 'cannot be read'],
    ['amqp://u:sec ret@bro ker', 'cannot be read'],
    ['broker:5672', 'begins with "broker:"'],
    ['http://u:secret@broker', 'begins with "http:"'],
    ['amqp://', 'names no host'],
    ['amqp:///vhost', 'names no host'],
    ['amqp://%zz:secret@broker/', 'user holds a "%"'],
    ['amqp://u:secret%zz@broker/', 'password holds a "%"'],
    ['amqp://u:secret@broker/%zz', 'virtual host holds a "%"'],
    ['amqp://u:secret@broker?heartbeat=soon', 'heartbeat is not a whole number'],
    ['amqp://u:secret@broker?heartbeat=-1', 'heartbeat is not a whole number'],
    ['amqp://u:secret@broker?cacertfile=/ca.pem', 'cacertfile is for TLS'],
    ['amqps://u:secret@broker?cacertfile=', 'cacertfile is empty'],
    ['amqps://u:secret@broker?certfile=/client.pem', 'certfile and keyfile it has one'],
    ['amqps://u:secret@broker?verify=verify_none', 'always verified'],
  ])('refuses %j with what it should look like, and without the password', (url, says) => {
    expect(() => parseBrokerUrl(url)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(says) }),
    )
    expect(() => parseBrokerUrl(url)).toThrow('amqp://user:password@host:5672/vhost')
    expect(() => parseBrokerUrl(url)).not.toThrow('secret')
  })
})
