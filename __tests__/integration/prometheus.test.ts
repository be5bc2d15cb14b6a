/** Covers the metrics of clients in a registry of prom-client, read as Prometheus would. */
import { expect, test } from '@jest/globals'
import { Registry } from 'prom-client'
import { ArgumentError, type Client } from '../../src/index.js'
import { collectMetrics } from '../../src/prometheus/index.js'
import { newQueue, open } from '../support/broker/client.js'

/** The values of a metric, by the name of the client. */
async function valuesOf(registry: Registry, name: string): Promise<Record<string, number>> {
  const { values = [] } = (await registry.getMetricsAsJSON()).find(metric => metric.name === name) ?? {}
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.client), value]))
}

test('each client of a process has its own values, which are read when they are asked for', async () => {
  const registry = new Registry()
  const [orders, mails] = [await open(), await open()]
  collectMetrics(orders, { registry, name: 'orders' })
  collectMetrics(mails, { registry, name: 'mails' })
  const queue = await newQueue(orders)
  for (const body of ['one', 'two']) await orders.basicPublish('', queue, body)
  await mails.basicPublish('', queue, 'three')
  const { value: message } = await mails
    .basicConsume(queue, { prefetchCount: 1 })
    [Symbol.asyncIterator]()
    .next()
  expect(await valuesOf(registry, 'puka_amqp_confirmed_total')).toEqual({ orders: 2, mails: 1 })
  expect(await valuesOf(registry, 'puka_amqp_unsettled_messages')).toEqual({ orders: 0, mails: 1 })
  message?.ack()
  expect(await valuesOf(registry, 'puka_amqp_unsettled_messages')).toEqual({ orders: 0, mails: 0 })
  expect(await valuesOf(registry, 'puka_amqp_settled_total')).toEqual({ orders: 0, mails: 1 })
  expect(await valuesOf(registry, 'puka_amqp_open')).toEqual({ orders: 1, mails: 1 })
  expect(await valuesOf(registry, 'puka_amqp_healthy')).toEqual({ orders: 1, mails: 1 })
})

test('every metric of a client is there, with a text', async () => {
  const registry = new Registry()
  const client = await open()
  collectMetrics(client, { registry })
  const metrics = await registry.getMetricsAsJSON()
  // Beside what it counts, whether it is open and healthy.
  expect(metrics.length).toBe(Object.keys(client.metrics()).length + 2)
  for (const { name, help } of metrics) {
    expect(name).toMatch(/^puka_amqp_[a-z_]+$/)
    expect(help).toMatch(/\w/)
  }
  expect(await registry.metrics()).toContain('puka_amqp_published_total{client="default"} 0')
})

test('a client that is closed, or taken out, is gone, and its name is free', async () => {
  const registry = new Registry()
  const collect = (client: Client): (() => void) => collectMetrics(client, { registry, name: 'one' })
  const [first, second, third] = [await open(), await open(), await open()]
  collect(first)
  expect(() => collect(second)).toThrow(ArgumentError)
  await first.close()
  const remove = collect(second)
  expect(await valuesOf(registry, 'puka_amqp_open')).toEqual({ one: 1 })
  remove()
  expect(await valuesOf(registry, 'puka_amqp_open')).toEqual({})
  collect(third)
  remove()
  expect(await valuesOf(registry, 'puka_amqp_open')).toEqual({ one: 1 })
})
