/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the kernel says of SMC sockets, asked through sock_diag (module smc_diag). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/smc_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

static const struct nlattr *attribute(const struct nlmsghdr *message, int type, size_t least)
{
    size_t head = NLMSG_ALIGN(sizeof(struct smc_diag_msg));
    size_t length = message->nlmsg_len - NLMSG_HDRLEN;

    if (length < head)
        return NULL;
    const struct nlattr *found =
        netlink_find((const char *)NLMSG_DATA(message) + head, length - head, type);
    return found && found->nla_len >= NLA_HDRLEN + least ? found : NULL;
}

static int ask(void (*each)(const struct nlmsghdr *, void *), void *context)
{
    struct {
        struct nlmsghdr header;
        struct smc_diag_req body;
    } request = {
        .header = {
            .nlmsg_len = sizeof request,
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
        },
        .body = {
            .diag_family = FAMILY_SMC,
            .diag_ext = 1 << (SMC_DIAG_DMBINFO - 1),
        },
    };

    return netlink_ask(NETLINK_SOCK_DIAG, &request.header, each, context);
}

struct search {
    const uint64_t *inodes;
    uint32_t count;
    uint32_t found;
    struct modes *modes;
};

static void take_chid(const struct nlmsghdr *message, struct modes *modes)
{
    struct smcd_diag_dmbinfo dmb;
    const struct nlattr *a = attribute(message, SMC_DIAG_DMBINFO, sizeof dmb);

    if (!a)
        return;
    memcpy(&dmb, (const char *)a + NLA_HDRLEN, sizeof dmb);
    int chid = info_chid(dmb.my_gid, dmb.peer_gid);
    for (uint32_t i = 0; i < modes->chid_count; i++)
        if (modes->chids[i] == chid)
            return;
    if (chid >= 0 && modes->chid_count < sizeof modes->chids / sizeof *modes->chids)
        modes->chids[modes->chid_count++] = chid;
}

static void count_mode(const struct nlmsghdr *message, void *context)
{
    const struct smc_diag_msg *socket = NLMSG_DATA(message);
    struct search *search = context;
    struct modes *modes = search->modes;

    for (uint32_t i = 0; i < search->count; i++) {
        if (search->inodes[i] != socket->diag_inode)
            continue;
        search->found++;
        if (socket->diag_mode == SMC_DIAG_MODE_SMCD) {
            modes->smcd++;
            take_chid(message, modes);
        } else if (socket->diag_mode == SMC_DIAG_MODE_SMCR) {
            modes->smcr++;
        } else {
            struct smc_diag_fallback why = { 0 };
            const struct nlattr *a = attribute(message, SMC_DIAG_FALLBACK, sizeof why);

            if (a)
                memcpy(&why, (const char *)a + NLA_HDRLEN, sizeof why);
            if (!modes->reason)
                modes->reason = why.peer_diagnosis ? why.peer_diagnosis : why.reason;
            modes->fallback++;
        }
        return;
    }
}

int diag_modes(const int *fds, uint32_t count, struct modes *modes)
{
    uint64_t *inodes = calloc(count, sizeof *inodes);
    struct search search = { inodes, count, 0, modes };
    int result = inodes ? 0 : -1;

    *modes = (struct modes){ 0 };
    for (uint32_t i = 0; result == 0 && i < count; i++) {
        struct stat data;

        result = fstat(fds[i], &data);
        if (result == 0)
            inodes[i] = data.st_ino;
    }
    if (result == 0)
        result = info_load();
    if (result == 0)
        result = ask(count_mode, &search);
    modes->unknown = count - search.found;
    free(inodes);
    return result;
}

struct modes modes_of(const struct options *options, const int *fds, uint32_t count)
{
    struct modes modes = { 0 };

    if (options->tcp)
        return modes;
    if (diag_modes(fds, count, &modes) < 0)
        fail("asking the kernel how %u connections run (is smc_diag loaded?)", count);
    if (options->require_smcd && modes.smcd != count) {
        errno = 0;
        fail("only %u of %u connections run over SMC-D; %u fell back to TCP, first reason 0x%08x",
             modes.smcd, count, modes.fallback, modes.reason);
    }
    return modes;
}

void modes_print(const struct modes *modes)
{
    printf("\"smcd\":%u,\"fallback\":%u", modes->smcd, modes->fallback);
    if (modes->smcd) {
        printf(",\"chids\":[");
        for (uint32_t i = 0; i < modes->chid_count; i++)
            printf("%s\"0x%04x\"", i ? "," : "", modes->chids[i]);
        printf("]");
    }
    if (modes->fallback)
        printf(",\"fallback_reason\":\"0x%08x\"", modes->reason);
    if (modes->smcr)
        printf(",\"smcr\":%u", modes->smcr);
    if (modes->unknown)
        printf(",\"unknown\":%u", modes->unknown);
}

static void print_socket(const struct nlmsghdr *message, void *context)
{
    static const char *const names[] = { "smcr", "fallback", "smcd" };
    enum { LISTENING = 10 };
    const struct smc_diag_msg *socket = NLMSG_DATA(message);
    const struct nlattr *dmb = attribute(message, SMC_DIAG_DMBINFO, sizeof(struct smcd_diag_dmbinfo));
    char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
    bool *first = context;

    inet_ntop(AF_INET, socket->id.idiag_src, from, sizeof from);
    inet_ntop(AF_INET, socket->id.idiag_dst, to, sizeof to);
    printf("%s{\"state\":%u,\"mode\":\"%s\",\"local\":\"%s:%u\",\"peer\":\"%s:%u\"",
           *first ? "" : ",", socket->diag_state,
           socket->diag_state == LISTENING ? "none" :
           socket->diag_mode < 3 ? names[socket->diag_mode] : "unknown", from,
           ntohs(socket->id.idiag_sport), to, ntohs(socket->id.idiag_dport));
    if (dmb) {
        struct smcd_diag_dmbinfo info;

        memcpy(&info, (const char *)dmb + NLA_HDRLEN, sizeof info);
        printf(",\"gid\":\"0x%016llx\",\"peer_gid\":\"0x%016llx\",\"token\":\"0x%llx\","
               "\"peer_token\":\"0x%llx\"", info.my_gid, info.peer_gid, info.token,
               info.peer_token);
        int chid = info_chid(info.my_gid, info.peer_gid);

        if (chid >= 0) {
            printf(",\"chid\":\"0x%04x\",\"devices\":", chid);
            info_print_devices(chid);
        }
    }
    printf("}");
    *first = false;
}

int diag_print(void)
{
    bool first = true;

    printf("[");
    int result = ask(print_socket, &first);
    printf("]");
    return result;
}
