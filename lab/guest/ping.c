/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static int by_size(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

int command_ping(const struct options *options)
{
    uint32_t count = options->count ? options->count : 1000;
    struct request request = { .command = REQUEST_PING, .size = options->size, .count = count };
    uint64_t *times = calloc(count, sizeof *times);
    char *out = malloc(options->size), *in = malloc(options->size);
    int fd = connection_open(options);

    if (!times || !out || !in)
        fail("making room for %u times", count);
    if (fd < 0 || connection_prepare(fd, options->patience) < 0 || request_write(fd, &request) < 0)
        fail("connecting");
    struct modes modes = modes_of(options, &fd, 1);

    tick_begin();
    for (uint32_t i = 0; i < count; i++) {
        memset(out, i + 1, options->size);
        uint64_t begin = now();
        if (connection_write(fd, out, options->size) < 0 ||
            connection_read(fd, in, options->size) < 0)
            fail("round trip %u", i);
        times[i] = now() - begin;
        errno = 0;
        if (memcmp(out, in, options->size) != 0)
            fail("round trip %u: another message came back", i);
    }
    tick_end();
    close(fd);
    qsort(times, count, sizeof *times, by_size);
    printf("{\"count\":%u,\"size\":%u,\"min_us\":%.3f,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"max_us\":%.3f,", count, options->size, times[0] / 1e3, times[count / 2] / 1e3,
           times[(uint64_t)count * 99 / 100] / 1e3, times[count - 1] / 1e3);
    modes_print(&modes);
    printf("}\n");
    return RIGHT;
}
