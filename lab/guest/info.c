/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Devices and link groups, asked through SMC's generic netlink (source: linux/smc.h). */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/smc.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

struct message {
    struct nlmsghdr header;
    struct genlmsghdr generic;
    char room[64];
};

static struct message message(uint16_t family, uint8_t command, uint16_t flags)
{
    return (struct message){
        .header = {
            .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
            .nlmsg_type = family,
            .nlmsg_flags = NLM_F_REQUEST | flags,
        },
        .generic = { .cmd = command, .version = SMC_GENL_FAMILY_VERSION },
    };
}

static const struct nlattr *top(const struct nlmsghdr *answer, int type)
{
    if (answer->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN))
        return NULL;
    return netlink_find((const char *)NLMSG_DATA(answer) + GENL_HDRLEN,
                        answer->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), type);
}

static void take_family(const struct nlmsghdr *answer, void *context)
{
    const struct nlattr *id = top(answer, CTRL_ATTR_FAMILY_ID);

    if (id && id->nla_len >= NLA_HDRLEN + sizeof(uint16_t))
        memcpy(context, (const char *)id + NLA_HDRLEN, sizeof(uint16_t));
}

/* The number that the kernel gave to SMC's family; 0 with errno. */
static uint16_t family(void)
{
    struct message ask = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    struct nlattr *name = (struct nlattr *)ask.room;
    uint16_t id = 0;

    name->nla_type = CTRL_ATTR_FAMILY_NAME;
    name->nla_len = NLA_HDRLEN + sizeof SMC_GENL_FAMILY_NAME;
    memcpy((char *)name + NLA_HDRLEN, SMC_GENL_FAMILY_NAME, sizeof SMC_GENL_FAMILY_NAME);
    ask.header.nlmsg_len += NLA_ALIGN(name->nla_len);
    if (netlink_ask(NETLINK_GENERIC, &ask.header, take_family, &id) < 0)
        return 0;
    return id;
}

/* A number of 1, 2, 4 or 8 bytes in the attributes inside `nest`; 0 without it. */
static uint64_t number(const struct nlattr *nest, int type)
{
    const struct nlattr *a = netlink_find((const char *)nest + NLA_HDRLEN,
                                          nest->nla_len - NLA_HDRLEN, type);
    size_t length = a ? a->nla_len - NLA_HDRLEN : 0;
    uint64_t value = 0;

    /* The kernel's byte order, which on s390x is big-endian. */
    if (length <= sizeof value)
        memcpy((char *)&value + sizeof value - length, (const char *)a + NLA_HDRLEN, length);
    return value;
}

static const char *text(const struct nlattr *nest, int type)
{
    const struct nlattr *a = netlink_find((const char *)nest + NLA_HDRLEN,
                                          nest->nla_len - NLA_HDRLEN, type);

    if (!a || a->nla_len <= NLA_HDRLEN || ((const char *)a)[a->nla_len - 1])
        return "";
    return (const char *)a + NLA_HDRLEN;
}

static void print_device(const struct nlmsghdr *answer, void *context)
{
    const struct nlattr *nest = top(answer, SMC_GEN_DEV_SMCD);
    bool *first = context;

    if (!nest)
        return;
    printf("%s{\"id\":\"%s\",\"fid\":%llu,\"chid\":\"0x%04llx\",\"link_groups\":%llu}",
           *first ? "" : ",", text(nest, SMC_NLA_DEV_PCI_ID),
           (unsigned long long)number(nest, SMC_NLA_DEV_PCI_FID),
           (unsigned long long)number(nest, SMC_NLA_DEV_PCI_CHID),
           (unsigned long long)number(nest, SMC_NLA_DEV_USE_CNT));
    *first = false;
}

static void print_group(const struct nlmsghdr *answer, void *context)
{
    const struct nlattr *nest = top(answer, SMC_GEN_LGR_SMCD);
    bool *first = context;

    if (!nest)
        return;
    printf("%s{\"id\":\"0x%08llx\",\"gid\":\"0x%016llx\",\"peer_gid\":\"0x%016llx\","
           "\"chid\":\"0x%04llx\",\"vlan\":%llu,\"connections\":%llu}",
           *first ? "" : ",", (unsigned long long)number(nest, SMC_NLA_LGR_D_ID),
           (unsigned long long)number(nest, SMC_NLA_LGR_D_GID),
           (unsigned long long)number(nest, SMC_NLA_LGR_D_PEER_GID),
           (unsigned long long)number(nest, SMC_NLA_LGR_D_CHID),
           (unsigned long long)number(nest, SMC_NLA_LGR_D_VLAN_ID),
           (unsigned long long)number(nest, SMC_NLA_LGR_D_CONNS_NUM));
    *first = false;
}

static void list(uint16_t id, const char *name, uint8_t command,
                 void (*print)(const struct nlmsghdr *, void *))
{
    struct message ask = message(id, command, NLM_F_DUMP);
    bool first = true;

    printf("\"%s\":[", name);
    if (netlink_ask(NETLINK_GENERIC, &ask.header, print, &first) < 0)
        fail("asking SMC for its %s", name);
    printf("],");
}

int command_info(const struct options *options)
{
    uint16_t id = family();

    (void)options;
    if (!id)
        fail("asking for %s (is smc loaded?)", SMC_GENL_FAMILY_NAME);
    printf("{");
    list(id, "devices", SMC_NETLINK_GET_DEV_SMCD, print_device);
    list(id, "link_groups", SMC_NETLINK_GET_LGR_SMCD, print_group);
    printf("\"sockets\":");
    if (diag_print() < 0)
        fail("asking for SMC's sockets (is smc_diag loaded?)");
    printf("}\n");
    return RIGHT;
}
