/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Signals that end system calls from time to time. SO_RCVTIMEO alone does not: after a move that failed,
 * Linux 6.12 loops in recv() until a signal comes (smc_rx_wait returns at once, and smc_rx_recvmsg calls it
 * again). That thread then holds its processor, so a timer has to send the signal to this very thread.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

static _Thread_local timer_t timer;

static void nothing(int number)
{
    (void)number;
}

void tick_begin(void)
{
    struct sigaction action = { .sa_handler = nothing };
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = SIGALRM,
        ._sigev_un._tid = gettid(),
    };
    struct timespec each = { .tv_nsec = 1000000000 / TICKS };

    if (sigaction(SIGALRM, &action, NULL) < 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, 0, &(struct itimerspec){ each, each }, NULL) < 0)
        fail("starting a timer");
}

void tick_end(void)
{
    timer_delete(timer);
}
