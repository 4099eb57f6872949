/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The bytes of a seed: a table of pseudo-random words, sent round after round, each word changed by
 * the number of the round. A round is a prime number of words, so that none falls on the same
 * place of a ring of buffers twice. Making and checking a word is one operation: under an
 * emulator's own translation, more would be what is measured.
 */
#include <endian.h>
#include <stdlib.h>

#include "tool.h"

enum { WORDS = 8191, ROUND = WORDS * 8 };

/* xorshift64* (source: Vigna, "An experimental exploration of Marsaglia's xorshift generators"). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static uint64_t *table_of(uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
    uint64_t *table = malloc(ROUND);

    if (!table)
        return NULL;
    if (state == 0)
        state = 1;
    for (int i = 0; i < WORDS; i++)
        table[i] = htobe64(next_random(&state));
    return table;
}

static uint64_t change_of(uint64_t round)
{
    return round * 0x9e3779b97f4a7c15ull;
}

static size_t part(uint64_t bytes, uint64_t done)
{
    return bytes - done < ROUND ? bytes - done : ROUND;
}

int stream_send(int fd, uint64_t seed, uint64_t bytes, uint64_t spoil)
{
    uint64_t *table = table_of(seed);
    uint64_t *words = malloc(ROUND);
    int result = table && words ? 0 : -1;

    for (uint64_t done = 0, round = 0; result == 0 && done < bytes; done += ROUND, round++) {
        uint64_t change = htobe64(change_of(round));

        for (int i = 0; i < WORDS; i++)
            words[i] = table[i] ^ change;
        if (spoil >= done && spoil - done < ROUND)
            ((uint8_t *)words)[spoil - done] ^= 1;
        result = connection_write(fd, words, part(bytes, done));
    }
    free(words);
    free(table);
    return result;
}

/* Counts the wrong bytes of one round, `length` bytes of which arrived. */
static void check_bytes(const uint8_t *got, const uint64_t *table, uint64_t change, size_t length,
                        uint64_t at, struct findings *findings)
{
    for (size_t i = 0; i < length; i++) {
        uint64_t word = table[i / 8] ^ change;

        if (got[i] == ((const uint8_t *)&word)[i % 8])
            continue;
        if (findings->mismatches == 0)
            findings->first = at + i;
        findings->mismatches++;
    }
}

int stream_check(int fd, uint64_t seed, uint64_t bytes, struct findings *findings)
{
    uint64_t *table = table_of(seed);
    uint64_t *words = malloc(ROUND);
    int result = table && words ? 0 : -1;

    *findings = (struct findings){ 0 };
    for (uint64_t done = 0, round = 0; result == 0 && done < bytes; done += ROUND, round++) {
        uint64_t change = htobe64(change_of(round));
        size_t length = part(bytes, done);
        uint64_t wrong = 0;

        result = connection_read(fd, words, length);
        if (result < 0)
            break;
        for (size_t i = 0; i < length / 8; i++)
            wrong |= words[i] ^ table[i] ^ change;
        if (wrong || length % 8)
            check_bytes((const uint8_t *)words, table, change, length, done, findings);
        findings->bytes += length;
    }
    free(words);
    free(table);
    return result;
}

int findings_write(int fd, const struct findings *findings)
{
    uint64_t wire[3] = {
        htobe64(findings->bytes),
        htobe64(findings->mismatches),
        htobe64(findings->first),
    };

    return connection_write(fd, wire, sizeof wire);
}

int findings_read(int fd, struct findings *findings)
{
    uint64_t wire[3];

    if (connection_read(fd, wire, sizeof wire) < 0)
        return -1;
    *findings = (struct findings){ be64toh(wire[0]), be64toh(wire[1]), be64toh(wire[2]) };
    return 0;
}
