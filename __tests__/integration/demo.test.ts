/** Covers the demo as its user sees it: a process, its output, its exit status. It runs the built package. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { piecesOf } from '../../scripts/demo/pieces.js'
import { brokerUrl } from '../support/broker/broker.js'
import { type ChildOptions, type ChildOutcome, PROJECT, runTypeScript } from '../support/child.js'

const MINUTE = 60_000
const MAIN = join(PROJECT, 'scripts/demo/main.ts')

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'puka-demo-test-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function demo(args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildOutcome> {
  // The rebuilt file is put where the test can see that it does not stay.
  const env = { AMQP_URL: brokerUrl(), TMPDIR: folder, ...options.env }
  return runTypeScript(MAIN, args, { ...options, env })
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const rebuiltFiles = (): string[] => readdirSync(folder).filter(name => name.startsWith('puka-demo-'))

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

const figure = (stdout: string, name: string): string =>
  new RegExp(`^${name} {2,}(.*)$`, 'm').exec(stdout)?.[1] ?? ''

function expectEqual({ status, stdout, stderr }: ChildOutcome, content: Buffer | string): void {
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(figure(stdout, 'SHA-256 in')).toBe(sha256(content))
  expect(figure(stdout, 'SHA-256 out')).toBe(sha256(content))
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('equal')
  expect(figure(stdout, 'bytes').replaceAll(',', '')).toBe(String(Buffer.byteLength(content)))
}

describe('the demo sends a file and gets the same back', () => {
  test(
    'package-lock.json, where no file is named, with every figure in the summary',
    async () => {
      const outcome = await demo()
      const content = readFileSync(join(PROJECT, 'package-lock.json'))
      expectEqual(outcome, content)
      const { stdout } = outcome
      const lines = content.toString().split('\n').length - 1
      expect(figure(stdout, 'messages').replaceAll(',', '')).toBe(String(lines))
      expect(figure(stdout, 'published')).toMatch(/^[1-9][\d,]* messages\/s/)
      expect(figure(stdout, 'consumed')).toMatch(/^[1-9][\d,]* messages\/s/)
      expect(figure(stdout, 'latency')).toMatch(/^p50 \d+\.\d ms, p99 \d+\.\d ms/)
      expect(figure(stdout, 'broker')).toMatch(/^RabbitMQ \d/)
      // No terminal: lines, and nothing that moves the cursor.
      expect(stdout).toMatch(/^published [\d,]+ messages \(100%\), received [\d,]+ messages \(100%\)$/m)
      expect(stdout).not.toContain('\u001b')
      expect(rebuiltFiles()).toEqual([])
    },
    MINUTE,
  )

  test(
    'CRLF, empty lines, NUL, bytes that are no UTF-8, a line of 3 MB, no newline at the end',
    async () => {
      const content = Buffer.concat([
        Buffer.from('one\r\ntwo\r\n\n\n\r\rthree\nŸ — 漢字\n\0\n'),
        randomBytes(200_000),
        Buffer.from('\n'),
        Buffer.alloc(3_000_000, 'x'),
        Buffer.from('\nno newline at the end'),
      ])
      expectEqual(await demo([file('tricky', content)]), content)
    },
    MINUTE,
  )

  test(
    'an empty file',
    async () => {
      const outcome = await demo([file('empty', '')])
      expectEqual(outcome, '')
      expect(figure(outcome.stdout, 'messages')).toBe('0')
      expect(figure(outcome.stdout, 'latency')).toMatch(/^p50 -, p99 -/)
    },
    MINUTE,
  )
})

describe('the demo with --chaos', () => {
  const countOf = (stdout: string, name: string): number =>
    Number(figure(stdout, name).replaceAll(',', '').split(' ')[0])

  test(
    'gets the same file back over a connection that is cut every second, each message once',
    async () => {
      const lines = Array.from({ length: 50_000 }, (_, index) => `${index} ${'x'.repeat(index % 100)}\n`)
      const content = lines.join('')
      const outcome = await demo(['--chaos', file('chaos', content)])
      expectEqual(outcome, content)
      const { stdout } = outcome
      expect(countOf(stdout, 'messages')).toBe(lines.length)
      expect(countOf(stdout, 'cuts')).toBeGreaterThanOrEqual(1)
      expect(figure(stdout, 'cuts')).toMatch(/, recovered [1-9]\d* times$/)
      expect(figure(stdout, 'sent again')).toMatch(/^\d/)
      expect(figure(stdout, 'duplicates')).toMatch(/^\d/)
      console.log(
        stdout
          .split('\n')
          .filter(line => /^(cuts|sent again|duplicates) /.test(line))
          .join('\n'),
      )
      expect(rebuiltFiles()).toEqual([])
    },
    2 * MINUTE,
  )

  test(
    'says that it cannot be done over TLS',
    async () => {
      const { status, stderr } = await demo(['--chaos'], { env: { AMQP_URL: 'amqps://127.0.0.1:1' } })
      expect(status).toBe(1)
      expect(stderr).toMatch(/^demo: .*\n$/)
    },
    MINUTE,
  )
})

describe('the demo says in one line what it cannot do', () => {
  test.each([
    ['a missing file', () => [join(folder, 'missing')], 1, /missing: no such file$/],
    ['a folder', () => [folder], 1, /is a directory$/],
    ['a device', () => ['/dev/null'], 1, /\/dev\/null: is not a regular file$/],
    ['two files', () => [MAIN, MAIN], 2, /one file at a time$/],
    ['an unknown option', () => ['--fast'], 2, /--fast/],
  ])(
    '%s',
    async (_, args, expected, message) => {
      const { status, stdout, stderr } = await demo(args())
      expect({ status, stdout }).toEqual({ status: expected, stdout: '' })
      expect(stderr).toMatch(/^demo: .*\n$/)
      expect(stderr.trimEnd()).toMatch(message)
    },
    MINUTE,
  )

  test(
    'a broker that does not answer',
    async () => {
      const { status, stderr } = await demo([], { env: { AMQP_URL: 'amqp://user:secret@127.0.0.1:1' } })
      expect(status).toBe(1)
      expect(stderr).toBe('demo: AMQP_URL is set, but 127.0.0.1:1 does not answer\n')
    },
    MINUTE,
  )
})

test(
  'Ctrl-C ends the demo in the midst of a file, with the status of the signal and nothing left behind',
  async () => {
    const large = file('large', '')
    truncateSync(large, 20_000_000_000) // takes no room on the disk
    let sent = false
    const { status, stdout, stderr } = await demo([large], {
      onOutput: (_, child) => {
        if (!sent) sent = child.kill('SIGINT')
      },
    })
    expect({ status, stderr }).toEqual({ status: 130, stderr: 'demo: ended by SIGINT\n' })
    expect(stdout).not.toContain('SHA-256')
    rmSync(large)
    expect(rebuiltFiles()).toEqual([])
  },
  MINUTE,
)

describe('the cutting of a file', () => {
  async function cut(chunks: readonly string[], longest?: number): Promise<string[]> {
    async function* source(): AsyncGenerator<Buffer, void> {
      for (const chunk of chunks) yield Buffer.from(chunk)
    }
    const pieces: string[] = []
    for await (const piece of piecesOf(source(), longest)) pieces.push(piece.toString())
    return pieces
  }

  test('gives lines with their endings, wherever the chunks end', async () => {
    const lines = ['one\n', '\n', 'two\r\n', 'three']
    const text = lines.join('')
    for (let at = 0; at <= text.length; at++) {
      expect(await cut([text.slice(0, at), text.slice(at)])).toEqual(lines)
    }
    expect(await cut([...text])).toEqual(lines)
  })

  test('cuts a line that is too long, and no other', async () => {
    expect(await cut(['aaaaaaaa\nbbbb\nccc'], 3)).toEqual(['aaa', 'aaa', 'aa\n', 'bbb', 'b\n', 'ccc'])
    expect(await cut([...'aaaaaaa\nbb\ncccc'], 3)).toEqual(['aaa', 'aaa', 'a\n', 'bb\n', 'ccc', 'c'])
  })
})
