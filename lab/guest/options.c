/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void __attribute__((noreturn)) refuse(const char *name, const char *value,
                                             const char *expected)
{
    fprintf(stderr, "smcd-tool: %s %s: expected %s\n", name, value, expected);
    exit(USAGE);
}

static uint64_t number(const char *name, const char *value, uint64_t least, uint64_t most)
{
    char *end;
    char expected[80];

    errno = 0;
    unsigned long long n = strtoull(value, &end, 0);
    if (errno || end == value || *end || *value == '-' || n < least || n > most) {
        snprintf(expected, sizeof expected, "a number from %llu to %llu",
                 (unsigned long long)least, (unsigned long long)most);
        refuse(name, value, expected);
    }
    return n;
}

static uint32_t address(const char *name, const char *value)
{
    struct in_addr in;

    if (inet_pton(AF_INET, value, &in) != 1)
        refuse(name, value, "an IPv4 address");
    return in.s_addr;
}

static const char *word(const char *name, const char *value, size_t most, const char *expected)
{
    if (!*value || strlen(value) > most)
        refuse(name, value, expected);
    return value;
}

static void take(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--to") == 0)
        o->to = address(name, value);
    else if (strcmp(name, "--bind") == 0)
        o->bind = address(name, value);
    else if (strcmp(name, "--port") == 0)
        o->port = number(name, value, 1, UINT16_MAX);
    else if (strcmp(name, "--bytes") == 0)
        o->bytes = number(name, value, 1, UINT64_MAX / 2);
    else if (strcmp(name, "--conns") == 0)
        o->conns = number(name, value, 1, 1000);
    else if (strcmp(name, "--count") == 0)
        o->count = number(name, value, 1, 10 * 1000 * 1000);
    else if (strcmp(name, "--size") == 0)
        o->size = number(name, value, 1, 1 << 20);
    else if (strcmp(name, "--seed") == 0)
        o->seed = number(name, value, 0, UINT64_MAX);
    else if (strcmp(name, "--spoil") == 0)
        o->spoil = number(name, value, 0, UINT64_MAX - 1);
    else if (strcmp(name, "--timeout") == 0)
        o->patience = number(name, value, 1, 86400);
    else if (strcmp(name, "--add") == 0)
        o->add = word(name, value, 16, "a PNETID of 1 to 16 characters");
    else if (strcmp(name, "--device") == 0)
        o->device = word(name, value, 15, "an interface or a PCI function");
    else if (strcmp(value, "tcp") == 0) /* --proto */
        o->tcp = true;
    else if (strcmp(value, "smc") != 0)
        refuse(name, value, "smc or tcp");
}

struct options options_read(int argc, char **argv, const char *const *allowed)
{
    struct options o = { .conns = 1, .size = 1, .seed = 1, .patience = 120,
                         .spoil = UINT64_MAX };

    for (int i = 0; i < argc; i++) {
        const char *name = argv[i];
        const char *const *known = allowed;

        while (*known && strcmp(*known, name) != 0)
            known++;
        if (!*known) {
            fprintf(stderr, "smcd-tool: no option %s here; there is", name);
            for (known = allowed; *known; known++)
                fprintf(stderr, " %s", *known);
            fprintf(stderr, "%s\n", *allowed ? "" : " none");
            exit(USAGE);
        }
        if (strcmp(name, "--both") == 0) {
            o.both = true;
        } else if (strcmp(name, "--flush") == 0) {
            o.flush = true;
        } else if (strcmp(name, "--require-smcd") == 0) {
            o.require_smcd = true;
        } else {
            if (++i == argc)
                refuse(name, "", "a value");
            take(&o, name, argv[i]);
        }
    }
    if (!o.add != !o.device)
        refuse(o.add ? "--device" : "--add", "is missing", "both --add and --device");
    for (const char *const *known = allowed; *known; known++) {
        if (strcmp(*known, "--to") == 0 && !o.to)
            refuse("--to", "is missing", "the address of smcd-tool serve");
        if (strcmp(*known, "--port") == 0 && !o.port)
            refuse("--port", "is missing", "a port");
        if (strcmp(*known, "--bytes") == 0 && !o.bytes)
            refuse("--bytes", "is missing", "the length of a stream");
    }
    return o;
}
