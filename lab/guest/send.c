/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tool.h"

/* One connection and the threads that move its bytes. */
struct transfer {
    const struct options *options;
    int fd;
    uint64_t seed;
    int send_error;
    int read_error;
    struct findings here;   /* of the stream from the server */
    struct findings there;  /* of ours, as the server found it */
};

static void *sender(void *argument)
{
    struct transfer *t = argument;

    tick_begin();
    if (stream_send(t->fd, t->seed, t->options->bytes, t->options->spoil) < 0)
        t->send_error = errno;
    tick_end();
    return NULL;
}

static void *reader(void *argument)
{
    struct transfer *t = argument;

    tick_begin();
    if (t->options->both &&
        stream_check(t->fd, t->seed + 1, t->options->bytes, &t->here) < 0)
        t->read_error = errno;
    else if (findings_read(t->fd, &t->there) < 0)
        t->read_error = errno;
    tick_end();
    return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), struct transfer *t)
{
    errno = pthread_create(thread, NULL, run, t);
    if (errno)
        fail("starting a thread");
}

/* Says what was wrong with connection `number`, and gives how many things were. */
static int judge(const struct transfer *t, uint32_t number)
{
    uint64_t bytes = t->options->bytes;
    int wrong = 0;

    errno = t->send_error;
    if (errno && ++wrong)
        complain("connection %u: sending", number);
    errno = t->read_error;
    if (errno && ++wrong)
        complain("connection %u: reading", number);
    errno = 0;
    if (!t->read_error && t->there.bytes != bytes && ++wrong)
        complain("connection %u: the server got %llu of %llu bytes", number,
                 (unsigned long long)t->there.bytes, (unsigned long long)bytes);
    if (t->there.mismatches && ++wrong)
        complain("connection %u: %llu wrong bytes at the server, the first at %llu", number,
                 (unsigned long long)t->there.mismatches, (unsigned long long)t->there.first);
    if (t->here.mismatches && ++wrong)
        complain("connection %u: %llu wrong bytes from the server, the first at %llu", number,
                 (unsigned long long)t->here.mismatches, (unsigned long long)t->here.first);
    return wrong;
}

int command_send(const struct options *options)
{
    uint32_t conns = options->conns;
    struct transfer *all = calloc(conns, sizeof *all);
    pthread_t (*threads)[2] = calloc(conns, sizeof *threads);
    int *fds = calloc(conns, sizeof *fds);
    uint64_t bytes = 0, mismatches = 0;
    int wrong = 0;

    if (!all || !threads || !fds)
        fail("making room for %u connections", conns);
    for (uint32_t i = 0; i < conns; i++) {
        struct request request = {
            .command = REQUEST_SEND,
            .both = options->both,
            .bytes = options->bytes,
            .seed = options->seed + 2 * i,
        };

        fds[i] = connection_open(options);
        if (fds[i] < 0 || connection_prepare(fds[i], options->patience) < 0 ||
            request_write(fds[i], &request) < 0)
            fail("connection %u", i);
        all[i] = (struct transfer){ .options = options, .fd = fds[i], .seed = request.seed };
    }
    struct modes modes = modes_of(options, fds, conns);

    uint64_t begin = now();
    for (uint32_t i = 0; i < conns; i++) {
        start(&threads[i][0], reader, &all[i]);
        start(&threads[i][1], sender, &all[i]);
    }
    for (uint32_t i = 0; i < conns; i++) {
        pthread_join(threads[i][1], NULL);
        pthread_join(threads[i][0], NULL);
    }
    double seconds = (now() - begin) / 1e9;

    for (uint32_t i = 0; i < conns; i++) {
        wrong += judge(&all[i], i);
        bytes += all[i].there.bytes + all[i].here.bytes;
        mismatches += all[i].there.mismatches + all[i].here.mismatches;
        close(fds[i]);
    }
    printf("{\"bytes\":%llu,\"seconds\":%.6f,\"mb_per_s\":%.3f,\"mismatches\":%llu,"
           "\"connections\":%u,", (unsigned long long)bytes, seconds, bytes / seconds / 1e6,
           (unsigned long long)mismatches, conns);
    modes_print(&modes);
    printf("}\n");
    return wrong ? WRONG : RIGHT;
}
