/**
 * Owns running a Node program of a test as a process of its own, to its end. Knows nothing of what the program does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The project's folder. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url))

/** What Node has to import to run TypeScript. */
export const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const DEADLINE = 60_000

export interface ChildOutcome {
  /** The exit status; null for a process that a signal ended, ours at the deadline for one. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ChildOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds after which it is killed. @default 60,000 */
  readonly deadline?: number
  /** Hears of all that was printed to standard output so far, whenever there is more. */
  readonly onOutput?: (stdout: string, child: ChildProcess) => void
}

/** Runs `node ARGS`, and resolves when it has ended by itself or was killed at the deadline. */
export function runNode(args: readonly string[], options: ChildOptions = {}): Promise<ChildOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], {
      cwd: options.cwd ?? PROJECT,
      // The options of this process (Jest's VM modules) are not for the child; nor is npm's idea of the caller's folder.
      env: { ...process.env, NODE_OPTIONS: '', INIT_CWD: options.cwd ?? PROJECT, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.deadline ?? DEADLINE,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
      options.onOutput?.(stdout, child)
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.once('error', reject)
    child.once('close', status => resolve({ status, stdout, stderr }))
  })
}

/** Runs a TypeScript program of the project. */
export function runTypeScript(
  program: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<ChildOutcome> {
  return runNode(['--import', TSX, program, ...args], options)
}
