/** Covers the search for the publish that closed the channel: who is a suspect, and how many are tried at once. */
import { describe, expect, test } from '@jest/globals'
import { CulpritSearch } from '../../../src/publishing/culprit-search.js'

/** Writes as many suspects as may be in flight, but not more than there are. Returns how many that are. */
function write(search: CulpritSearch, most = 100): number {
  let written = 0
  while (search.hasRoom && written < most) {
    search.onWritten()
    written++
  }
  return written
}

/** A search among so many suspects. */
function among(suspects: number): CulpritSearch {
  const search = new CulpritSearch()
  search.onClosed(suspects, suspects)
  return search
}

/** Tries all suspects; each batch is confirmed. Returns how many were tried at once, batch by batch. */
function acquitAll(search: CulpritSearch): number[] {
  const batches: number[] = []
  while (search.active) {
    batches.push(write(search))
    search.onAllConfirmed()
  }
  return batches
}

describe('a search', () => {
  test('is not needed at first: anything may be in flight', () => {
    const search = new CulpritSearch()
    expect(search.active).toBe(false)
    expect(write(search)).toBe(100)
    search.onAllConfirmed()
    expect(search.active).toBe(false)
  })

  test('tries one suspect, then twice as many each time, until nobody is left', () => {
    const search = among(10)
    expect(search.active).toBe(true)
    expect(acquitAll(search)).toEqual([1, 2, 4, 8])
    expect(write(search)).toBe(100)
  })

  test('waits until all in flight are confirmed before it tries more', () => {
    const search = among(10)
    search.onWritten()
    expect(search.hasRoom).toBe(false)
    search.onAllConfirmed()
    search.onWritten()
    expect(search.hasRoom).toBe(true)
    search.onWritten()
    expect(search.hasRoom).toBe(false)
  })

  test('learns nothing where nothing was in flight', () => {
    const search = among(2)
    search.onAllConfirmed()
    search.onAllConfirmed()
    expect(search.active).toBe(true)
    expect(write(search)).toBe(1)
  })

  test('counts as innocent what was in flight, and no more', () => {
    const search = among(3)
    for (const stillActive of [true, false]) {
      // The window has room for more in the end than are left.
      write(search, 2)
      search.onAllConfirmed()
      expect(search.active).toBe(stillActive)
    }
  })
})

describe('when the channel is closed', () => {
  test('over the only suspect, no other one is suspected', () => {
    const search = new CulpritSearch()
    search.onClosed(1, 5)
    expect(search.active).toBe(false)
  })

  test('for no fault of a publish, nobody is suspected', () => {
    const search = new CulpritSearch()
    search.onClosed(0, 5)
    expect(search.active).toBe(false)
  })

  test('over one of several, all that are sent again are suspects', () => {
    const search = new CulpritSearch()
    search.onClosed(2, 7)
    expect(acquitAll(search)).toEqual([1, 2, 4])
  })

  test('over a suspect, the search begins anew with the others: there may be another culprit', () => {
    const search = among(9)
    write(search)
    search.onAllConfirmed()
    // Of 8, two are in flight; one of them is the culprit and not sent again.
    expect(write(search)).toBe(2)
    search.onClosed(1, 1)
    expect(search.active).toBe(true)
    expect(acquitAll(search)).toEqual([1, 2, 4])
  })

  test('over the last suspect, the search is over', () => {
    const search = among(2)
    write(search)
    search.onAllConfirmed()
    write(search, 1)
    search.onClosed(1, 0)
    expect(search.active).toBe(false)
  })
})

describe('a channel that is closed for no fault of a publish', () => {
  test('may be tried again three times in a row, and not a fourth time', () => {
    const search = new CulpritSearch()
    const tries = [1, 2, 3, 4].map(() => search.mayRetry())
    expect(tries).toEqual([true, true, true, false])
  })

  test('may be tried again as often as before once something is confirmed', () => {
    const search = new CulpritSearch()
    for (let round = 0; round < 5; round++) {
      expect([1, 2, 3].map(() => search.mayRetry())).toEqual([true, true, true])
      search.onProgress()
    }
  })

  test('does not lose count when the search begins anew', () => {
    const search = new CulpritSearch()
    for (let time = 0; time < 3; time++) {
      search.mayRetry()
      search.onClosed(0, 5)
    }
    expect(search.mayRetry()).toBe(false)
  })
})

test('a search that is reset suspects nobody, and the next one begins with one publish', () => {
  const search = among(10)
  write(search)
  search.onAllConfirmed()
  write(search)
  search.reset()
  expect(search.active).toBe(false)
  expect(search.hasRoom).toBe(true)
  search.onClosed(4, 4)
  expect(write(search)).toBe(1)
})

test('loses no suspect when the channel closes for no fault of one', () => {
  const search = new CulpritSearch()
  search.onClosed(2, 2)
  search.onWritten()
  search.onClosed(0, 1)
  search.onWritten()
  search.onAllConfirmed()
  expect(search.active).toBe(true)
})
