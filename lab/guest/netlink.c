/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

/* The kernel fills at most this much at once for a dump (source: net/smc/smc_diag.c). */
enum { ROOM = 65536 };

/* Gives the messages in `length` bytes to `each`. 1: more will come, 0: that was all, -1. */
static int take(char *bytes, size_t length, void (*each)(const struct nlmsghdr *, void *),
                void *context)
{
    struct nlmsghdr *message = (struct nlmsghdr *)bytes;
    int multi = 0;

    for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
            errno = -((struct nlmsgerr *)NLMSG_DATA(message))->error;
            return errno ? -1 : 0;
        }
        multi = message->nlmsg_flags & NLM_F_MULTI;
        each(message, context);
    }
    return multi ? 1 : 0;
}

int netlink_ask(int protocol, const struct nlmsghdr *request,
                void (*each)(const struct nlmsghdr *answer, void *context), void *context)
{
    char *bytes = malloc(ROOM);
    int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
    int result = -1;

    if (bytes && fd >= 0 && send(fd, request, request->nlmsg_len, 0) >= 0) {
        do {
            ssize_t got = recv(fd, bytes, ROOM, 0);

            result = got < 0 ? -1 : take(bytes, got, each, context);
        } while (result > 0);
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    free(bytes);
    errno = error;
    return result;
}

const struct nlattr *netlink_find(const void *attributes, size_t length, int type)
{
    const char *at = attributes;

    while (length >= sizeof(struct nlattr)) {
        const struct nlattr *attribute = (const struct nlattr *)at;
        size_t whole = NLA_ALIGN(attribute->nla_len);

        if (attribute->nla_len < sizeof *attribute || attribute->nla_len > length)
            return NULL;
        if ((attribute->nla_type & NLA_TYPE_MASK) == type)
            return attribute;
        if (whole > length)
            return NULL;
        at += whole;
        length -= whole;
    }
    return NULL;
}
