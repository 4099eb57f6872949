/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

static int new_socket(const struct options *options)
{
    return socket(options->tcp ? AF_INET : FAMILY_SMC, SOCK_STREAM, 0);
}

/* An AF_SMC socket takes the addresses of AF_INET. */
static struct sockaddr_in place(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = address,
        .sin_port = htons(port),
    };
}

int connection_listen(const struct options *options)
{
    struct sockaddr_in at = place(options->bind, options->port);
    int one = 1;
    int fd = new_socket(options);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int connection_open(const struct options *options)
{
    struct sockaddr_in to = place(options->to, options->port);
    uint64_t end = now() + options->patience * 1000000000ull;

    for (;;) {
        int fd = new_socket(options);

        if (fd < 0)
            return -1;
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            return fd;
        int error = errno;
        close(fd);
        errno = error;
        /* The server, or its machine, may still be starting. */
        if ((error != ECONNREFUSED && error != EHOSTUNREACH && error != ETIMEDOUT) ||
            now() > end)
            return -1;
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
}

/* Ticks without progress after which a read or write gives up. */
static uint32_t most_ticks;

int connection_prepare(int fd, uint32_t patience)
{
    struct timeval limit = { .tv_sec = patience };
    int one = 1;

    most_ticks = patience * TICKS;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        return -1;
    return 0;
}

/* Whether to go on after `moved` bytes, or -1 with errno; `ticks` counts those without progress. */
static bool goes_on(ssize_t moved, uint32_t *ticks)
{
    if (moved >= 0) {
        *ticks = 0;
        return true;
    }
    if (errno == EINTR && ++*ticks > most_ticks)
        errno = ETIMEDOUT;
    return errno == EINTR;
}

int connection_read(int fd, void *bytes, size_t length)
{
    uint32_t ticks = 0;

    for (size_t done = 0; done < length;) {
        ssize_t got = recv(fd, (char *)bytes + done, length - done, 0);

        if (got == 0)
            errno = ECONNRESET;
        if (got == 0 || !goes_on(got, &ticks))
            return -1;
        if (got > 0)
            done += got;
    }
    return 0;
}

int connection_write(int fd, const void *bytes, size_t length)
{
    uint32_t ticks = 0;

    for (size_t done = 0; done < length;) {
        ssize_t put = send(fd, (const char *)bytes + done, length - done, MSG_NOSIGNAL);

        if (!goes_on(put, &ticks))
            return -1;
        if (put > 0)
            done += put;
    }
    return 0;
}
