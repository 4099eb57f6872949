/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void say(const char *format, va_list arguments)
{
    int error = errno;
    char text[512];

    vsnprintf(text, sizeof text, format, arguments);
    if (error)
        fprintf(stderr, "smcd-tool: %s: %s\n", text, strerror(error));
    else
        fprintf(stderr, "smcd-tool: %s\n", text);
}

void complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(WRONG);
}
