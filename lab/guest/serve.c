/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

/* What was served, under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t ended, failed;
static uint64_t received, mismatches;

struct client {
    const struct options *options;
    uint32_t number;
    int fd;
    struct request request;
    int send_error;
};

static void *sender(void *argument)
{
    struct client *c = argument;

    tick_begin();
    if (stream_send(c->fd, c->request.seed + 1, c->request.bytes, UINT64_MAX) < 0)
        c->send_error = errno;
    tick_end();
    return NULL;
}

/* Checks the client's stream, sends one too if asked for, then tells what was found. */
static int serve_send(struct client *c)
{
    struct findings findings;
    pthread_t thread;
    bool both = c->request.both;

    if (both) {
        errno = pthread_create(&thread, NULL, sender, c);
        if (errno)
            return -1;
    }
    int result = stream_check(c->fd, c->request.seed, c->request.bytes, &findings);
    int error = errno;
    if (both) {
        if (result < 0) /* or the sender could wait for long */
            shutdown(c->fd, SHUT_RDWR);
        pthread_join(thread, NULL);
    }
    pthread_mutex_lock(&lock);
    received += findings.bytes;
    mismatches += findings.mismatches;
    pthread_mutex_unlock(&lock);
    errno = result < 0 ? error : c->send_error;
    if (errno)
        return -1;
    return findings_write(c->fd, &findings);
}

static int serve_ping(struct client *c)
{
    char *message = malloc(c->request.size);
    int result = message ? 0 : -1;

    for (uint32_t i = 0; result == 0 && i < c->request.count; i++) {
        result = connection_read(c->fd, message, c->request.size);
        if (result == 0)
            result = connection_write(c->fd, message, c->request.size);
    }
    free(message);
    return result;
}

/* Answers once, then waits for the client to go, however it does. */
static int serve_hold(struct client *c)
{
    char byte = 'h';

    if (connection_write(c->fd, &byte, 1) < 0)
        return -1;
    while (recv(c->fd, &byte, 1, 0) < 0 && (errno == EAGAIN || errno == EINTR))
        ;
    return 0;
}

static int serve_one(struct client *c)
{
    if (connection_prepare(c->fd, c->options->patience) < 0 ||
        request_read(c->fd, &c->request) < 0)
        return -1;
    switch (c->request.command) {
    case REQUEST_SEND:
        return serve_send(c);
    case REQUEST_PING:
        return serve_ping(c);
    default:
        return serve_hold(c);
    }
}

static void *serve(void *argument)
{
    struct client *c = argument;

    tick_begin();
    int result = serve_one(c);
    if (result < 0)
        complain("connection %u", c->number);
    /* A signal would end close() before all bytes are sent. */
    tick_end();
    close(c->fd);
    free(c);
    pthread_mutex_lock(&lock);
    ended++;
    failed += result < 0;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void accept_one(const struct options *options, int listener, uint32_t number)
{
    struct client *c = calloc(1, sizeof *c);
    pthread_attr_t detached;
    pthread_t thread;

    if (!c)
        fail("making room for connection %u", number);
    do
        c->fd = accept(listener, NULL, NULL);
    while (c->fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (c->fd < 0)
        fail("accepting connection %u", number);
    c->options = options;
    c->number = number;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    errno = pthread_create(&thread, &detached, serve, c);
    if (errno)
        fail("starting a thread for connection %u", number);
}

int command_serve(const struct options *options)
{
    char address[INET_ADDRSTRLEN];
    int listener = connection_listen(options);

    inet_ntop(AF_INET, &options->bind, address, sizeof address);
    if (listener < 0)
        fail("listening on %s:%u", address, options->port);
    fprintf(stderr, "smcd-tool: listening on %s:%u\n", address, options->port);
    for (uint32_t number = 0; !options->count || number < options->count; number++)
        accept_one(options, listener, number);

    pthread_mutex_lock(&lock);
    while (ended < options->count)
        pthread_cond_wait(&changed, &lock);
    printf("{\"connections\":%u,\"failed\":%u,\"bytes\":%llu,\"mismatches\":%llu}\n", ended, failed,
           (unsigned long long)received, (unsigned long long)mismatches);
    pthread_mutex_unlock(&lock);
    return failed || mismatches ? WRONG : RIGHT;
}
