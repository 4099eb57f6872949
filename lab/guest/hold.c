/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

/* How one connection ended. */
enum ending { OPEN, END_OF_STREAM, RESET, OTHER };

static int hold(const struct options *options, uint32_t number)
{
    struct request request = { .command = REQUEST_HOLD };
    char byte = 0;
    int fd = connection_open(options);

    if (fd < 0 || connection_prepare(fd, options->patience) < 0 ||
        request_write(fd, &request) < 0 || connection_read(fd, &byte, 1) < 0)
        fail("connection %u", number);
    errno = 0;
    if (byte != 'h')
        fail("connection %u: the server answered with 0x%02x", number, byte);
    return fd;
}

/* What a read says after poll() told of something; OPEN when there is nothing after all. */
static enum ending look(int fd, const char **name)
{
    char byte;
    int error = 0;
    socklen_t length = sizeof error;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

    /* SMC ends a read from a connection that was taken down with 0 or ENOTCONN, and leaves the
       reason with the socket (source: net/smc/smc_rx.c and af_smc.c). */
    if ((got == 0 || (got < 0 && errno == ENOTCONN)) &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error) {
        errno = error;
        got = -1;
    }
    if (got > 0) {
        *name = "data";
        return OTHER;
    }
    if (got == 0) {
        *name = "eof";
        return END_OF_STREAM;
    }
    if (errno == EAGAIN || errno == EINTR)
        return OPEN;
    *name = strerrorname_np(errno);
    /* ECONNABORTED is what SMC says when the peer's device went (source: net/smc/smc_core.c). */
    if (errno == ECONNRESET || errno == EPIPE || errno == ECONNABORTED)
        return RESET;
    return OTHER;
}

int command_hold(const struct options *options)
{
    uint32_t conns = options->conns, open = conns, counts[4] = { 0 };
    struct pollfd *polls = calloc(conns, sizeof *polls);
    const char **names = calloc(conns, sizeof *names);
    int *fds = calloc(conns, sizeof *fds);

    if (!polls || !names || !fds)
        fail("making room for %u connections", conns);
    for (uint32_t i = 0; i < conns; i++) {
        fds[i] = hold(options, i);
        polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN | POLLRDHUP };
    }
    struct modes modes = modes_of(options, fds, conns);
    fprintf(stderr, "smcd-tool: holding %u connections, %u over SMC-D\n", conns, modes.smcd);

    uint64_t begin = now(), end = begin + options->patience * 1000000000ull;
    while (open && now() < end) {
        /* Not for ever, so that the patience counts; and SMC wakes no poll for some errors. */
        if (poll(polls, conns, 100) < 0 && errno != EINTR)
            fail("waiting");
        for (uint32_t i = 0; i < conns; i++) {
            enum ending how = polls[i].fd < 0 ? OPEN : look(polls[i].fd, &names[i]);

            if (how == OPEN)
                continue;
            counts[how]++;
            polls[i].fd = -1;
            open--;
        }
    }
    printf("{\"connections\":%u,\"seconds\":%.3f,\"reset\":%u,\"eof\":%u,\"other\":%u,"
           "\"open\":%u,\"ends\":[", conns, (now() - begin) / 1e9, counts[RESET],
           counts[END_OF_STREAM], counts[OTHER], open);
    for (uint32_t i = 0; i < conns; i++)
        printf("%s\"%s\"", i ? "," : "", names[i] ? names[i] : "open");
    printf("],");
    modes_print(&modes);
    printf("}\n");
    return open || counts[OTHER] ? WRONG : RIGHT;
}
