/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* smcd-tool: moves bytes over SMC-D (or TCP) and tells what it saw. See README.md. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

struct command {
    const char *name;
    int (*run)(const struct options *options);
    const char *options[11];
};

static const struct command commands[] = {
    { "serve", command_serve, { "--port", "--proto", "--bind", "--count", "--timeout" } },
    { "send", command_send, { "--to", "--port", "--proto", "--bytes", "--conns", "--both",
                              "--seed", "--spoil", "--require-smcd", "--timeout" } },
    { "ping", command_ping, { "--to", "--port", "--proto", "--count", "--size",
                              "--require-smcd", "--timeout" } },
    { "hold", command_hold, { "--to", "--port", "--proto", "--conns", "--require-smcd",
                              "--timeout" } },
    { "info", command_info, { NULL } },
    { "pnet", command_pnet, { "--add", "--device", "--flush" } },
};

int main(int argc, char **argv)
{
    /* A peer that went is an error to tell of, not a signal. */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            struct options options = options_read(argc - 2, argv + 2, commands[i].options);
            return commands[i].run(&options);
        }
    }
    fprintf(stderr, "usage: smcd-tool serve|send|ping|hold|info|pnet [OPTION VALUE]...\n");
    return USAGE;
}
