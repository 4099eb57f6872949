/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <time.h>

#include "tool.h"

uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
