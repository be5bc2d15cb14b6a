/**
 * Owns a way to a broker on which things happen that the broker did not do: it cancels a consumer, it closes a channel. It
 * reads the frames that pass, for what it makes up must come between two of them. It closes by itself after the test.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach } from '@jest/globals'
import {
  BODY,
  cancelFrame,
  closeFrame,
  DELIVER,
  type Frame,
  FrameSplitter,
  GET_OK,
  HEADER,
  METHOD,
  RETURN,
} from './frames.js'
import { WatchedChannel } from './watched-channel.js'

const PRECONDITION_FAILED = 406
const proxies = new Set<FrameProxy>()

afterEach(() => Promise.all([...proxies].map(proxy => proxy.close())))

/** One client's way through the proxy. */
class Conversation {
  readonly #client: Socket
  readonly #broker: Socket
  readonly #channels = new Map<number, WatchedChannel>()
  /** A method was passed to the client whose content has not been yet, or so many bytes of it. */
  #headerDue = false
  #bodyDue = 0
  /** What is made up, and waits until a content has passed. */
  #waiting: (() => void)[] = []

  constructor(client: Socket, broker: Socket) {
    this.#client = client
    this.#broker = broker
    const pairs = [
      [
        client,
        broker,
        new FrameSplitter(
          frame => this.#up(frame),
          bytes => broker.write(bytes),
        ),
      ],
      [
        broker,
        client,
        new FrameSplitter(
          frame => this.#down(frame),
          bytes => client.write(bytes),
        ),
      ],
    ] as const
    for (const [source, target, splitter] of pairs) {
      source.on('data', chunk => {
        splitter.push(chunk)
        if (target.writableNeedDrain) source.pause()
      })
      target.on('drain', () => source.resume())
      source.on('end', () => target.end())
      source.on('error', () => undefined)
      source.on('close', () => {
        target.destroySoon()
        for (const channel of this.#channels.values()) channel.end()
      })
    }
  }

  get channels(): Iterable<WatchedChannel> {
    return this.#channels.values()
  }

  /** Makes up the cancel of a consumer. */
  cancel(channel: WatchedChannel, tag: string): Promise<void> {
    return this.#makeUp(channel, number => {
      if (!channel.live.includes(tag)) return undefined
      this.#client.write(cancelFrame(number, tag))
      return channel.cancelled(tag)
    })
  }

  /** Makes up the close of a channel. */
  close(channel: WatchedChannel): Promise<void> {
    return this.#makeUp(channel, number => {
      if (channel.live.length === 0) return undefined
      this.#client.write(closeFrame(number, PRECONDITION_FAILED, 'PRECONDITION_FAILED - made up by a test'))
      return channel.closed()
    })
  }

  async #makeUp(channel: WatchedChannel, act: (number: number) => Promise<void> | undefined): Promise<void> {
    const [number] = [...this.#channels].find(([, each]) => each === channel) ?? [0]
    if (this.#headerDue || this.#bodyDue > 0) {
      await new Promise<void>(resolve => {
        this.#client.once('close', resolve)
        this.#waiting.push(() => resolve(act(number)))
      })
    } else {
      await act(number)
    }
  }

  #up(frame: Frame): void {
    const passes = frame.channel === 0 ? frame.bytes : this.#watch(frame.channel).up(frame)
    if (passes !== undefined) this.#broker.write(passes)
  }

  #down(frame: Frame): void {
    const passes = frame.channel === 0 ? frame.bytes : this.#watch(frame.channel).down(frame)
    if (passes === undefined) return
    this.#client.write(passes)
    if (frame.type === METHOD) this.#headerDue = [DELIVER, GET_OK, RETURN].includes(frame.method)
    if (frame.type === HEADER) {
      this.#headerDue = false
      this.#bodyDue = frame.bodySize
    }
    if (frame.type === BODY) this.#bodyDue -= frame.size
    if (!this.#headerDue && this.#bodyDue === 0) for (const act of this.#waiting.splice(0)) act()
  }

  #watch(number: number): WatchedChannel {
    let channel = this.#channels.get(number)
    if (channel === undefined) {
      channel = new WatchedChannel(number, bytes => this.#broker.write(bytes))
      this.#channels.set(number, channel)
    }
    return channel
  }
}

export class FrameProxy {
  readonly #target: URL
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #conversations = new Set<Conversation>()

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, socket => this.#onSocket(socket))
  }

  /** A proxy to the host of a URL, on a free port. */
  static async start(target: string): Promise<FrameProxy> {
    const proxy = new FrameProxy(new URL(target))
    proxies.add(proxy)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** The target's URL, but leading here. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  /**
   * Has the broker cancel a consumer, whose tag is this or begins with this and `~`. Resolves when the client has said that
   * it knows, or cannot say it any more; undefined if there is none.
   */
  cancel(tag: string): Promise<void> | undefined {
    const found = this.#find(tag)
    return found?.conversation.cancel(found.channel, found.live)
  }

  /** Has the broker close the channel of a consumer; otherwise as {@link cancel}. */
  closeChannel(tag: string): Promise<void> | undefined {
    const found = this.#find(tag)
    return found?.conversation.close(found.channel)
  }

  async close(): Promise<void> {
    proxies.delete(this)
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #find(tag: string) {
    for (const conversation of this.#conversations) {
      for (const channel of conversation.channels) {
        const live = channel.live.find(each => each === tag || each.startsWith(`${tag}~`))
        if (live !== undefined) return { conversation, channel, live }
      }
    }
    return undefined
  }

  #onSocket(client: Socket): void {
    const port = Number(this.#target.port || 5672)
    const broker = connect({ port, host: this.#target.hostname, allowHalfOpen: true })
    const conversation = new Conversation(client, broker)
    this.#conversations.add(conversation)
    client.once('close', () => this.#conversations.delete(conversation))
    for (const socket of [client, broker]) {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
  }
}
