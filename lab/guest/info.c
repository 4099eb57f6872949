/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Devices and link groups, asked through SMC's generic netlink (source: linux/smc.h). */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/smc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

/* What the kernel listed: devices, and link groups with their devices' CHIDs. */
enum { MOST = 64 };

static struct {
    char id[32];
    uint16_t chid;
    bool used;
} devices[MOST];
static size_t device_count;

static struct {
    uint64_t gid, peer_gid;
    uint16_t chid;
} groups[MOST];
static size_t group_count;

struct message {
    struct nlmsghdr header;
    struct genlmsghdr generic;
    char room[160];
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

/* The number that the kernel gave to a family, whose name is short; 0 with errno. */
static uint16_t family(const char *wanted)
{
    struct message ask = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    struct nlattr *name = (struct nlattr *)ask.room;
    uint16_t id = 0;

    name->nla_type = CTRL_ATTR_FAMILY_NAME;
    name->nla_len = NLA_HDRLEN + strlen(wanted) + 1;
    strcpy((char *)name + NLA_HDRLEN, wanted);
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

static void take_device(const struct nlmsghdr *answer, void *context)
{
    const struct nlattr *nest = top(answer, SMC_GEN_DEV_SMCD);

    (void)context;
    if (!nest || device_count == MOST)
        return;
    snprintf(devices[device_count].id, sizeof devices->id, "%s", text(nest, SMC_NLA_DEV_PCI_ID));
    devices[device_count].chid = number(nest, SMC_NLA_DEV_PCI_CHID);
    devices[device_count++].used = number(nest, SMC_NLA_DEV_USE_CNT) > 0;
}

static void take_group(const struct nlmsghdr *answer, void *context)
{
    const struct nlattr *nest = top(answer, SMC_GEN_LGR_SMCD);

    (void)context;
    if (!nest || group_count == MOST)
        return;
    groups[group_count].gid = number(nest, SMC_NLA_LGR_D_GID);
    groups[group_count].peer_gid = number(nest, SMC_NLA_LGR_D_PEER_GID);
    groups[group_count++].chid = number(nest, SMC_NLA_LGR_D_CHID);
}

int info_load(void)
{
    uint16_t id = family(SMC_GENL_FAMILY_NAME);
    struct message ask = message(id, SMC_NETLINK_GET_DEV_SMCD, NLM_F_DUMP);

    device_count = group_count = 0;
    if (!id || netlink_ask(NETLINK_GENERIC, &ask.header, take_device, NULL) < 0)
        return -1;
    ask = message(id, SMC_NETLINK_GET_LGR_SMCD, NLM_F_DUMP);
    return netlink_ask(NETLINK_GENERIC, &ask.header, take_group, NULL);
}

int info_chid(uint64_t gid, uint64_t peer_gid)
{
    for (size_t i = 0; i < group_count; i++)
        if (groups[i].gid == gid && groups[i].peer_gid == peer_gid)
            return groups[i].chid;
    return -1;
}

void info_print_devices(int chid)
{
    const char *comma = "";

    printf("[");
    for (size_t i = 0; i < device_count; i++) {
        if (devices[i].chid != chid || !devices[i].used)
            continue;
        printf("%s\"%s\"", comma, devices[i].id);
        comma = ",";
    }
    printf("]");
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

/* The PNET table: PNETIDs of network cards and of ISM functions. */
static void print_pnetid(const struct nlmsghdr *answer, void *context)
{
    static const struct { int type; const char *name; } shown[] = {
        { SMC_PNETID_NAME, "pnetid" }, { SMC_PNETID_ETHNAME, "interface" },
        { SMC_PNETID_IBNAME, "function" },
    };
    bool *first = context;
    const char *comma = "";

    printf("%s{", *first ? "" : ",");
    *first = false;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const struct nlattr *a = top(answer, shown[i].type);
        const char *value = a ? (const char *)a + NLA_HDRLEN : "";

        /* The kernel writes "n/a" and a name of blanks for what an entry has not. */
        if (!a || !strcmp(value, "n/a") || !*value)
            continue;
        printf("%s\"%s\":\"%.*s\"", comma, shown[i].name, (int)strcspn(value, " "), value);
        comma = ",";
    }
    printf("}");
}

static void add_text(struct message *ask, int type, const char *value)
{
    struct nlattr *a = (struct nlattr *)((char *)ask + ask->header.nlmsg_len);

    a->nla_type = type;
    a->nla_len = NLA_HDRLEN + strlen(value) + 1;
    strcpy((char *)a + NLA_HDRLEN, value);
    ask->header.nlmsg_len += NLA_ALIGN(a->nla_len);
}

int command_pnet(const struct options *options)
{
    uint16_t id = family(SMCR_GENL_FAMILY_NAME);
    uint8_t command = options->flush ? SMC_PNETID_FLUSH :
                      options->add ? SMC_PNETID_ADD : SMC_PNETID_GET;
    struct message ask = message(id, command, command == SMC_PNETID_GET ? NLM_F_DUMP : NLM_F_ACK);
    bool first = true;

    if (!id)
        fail("asking for %s (is smc loaded?)", SMCR_GENL_FAMILY_NAME);
    if (options->add) {
        add_text(&ask, SMC_PNETID_NAME, options->add);
        /* A function's name has colons, an interface's none. */
        add_text(&ask, strchr(options->device, ':') ? SMC_PNETID_IBNAME : SMC_PNETID_ETHNAME,
                 options->device);
    }
    if (command != SMC_PNETID_GET) {
        if (netlink_ask(NETLINK_GENERIC, &ask.header, print_pnetid, &first) < 0)
            fail("changing the PNET table");
        ask = message(id, SMC_PNETID_GET, NLM_F_DUMP);
    }
    printf("{\"pnetids\":[");
    if (netlink_ask(NETLINK_GENERIC, &ask.header, print_pnetid, &first) < 0)
        fail("asking for the PNET table");
    printf("]}\n");
    return RIGHT;
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
    uint16_t id = family(SMC_GENL_FAMILY_NAME);

    (void)options;
    if (!id)
        fail("asking for %s (is smc loaded?)", SMC_GENL_FAMILY_NAME);
    printf("{");
    list(id, "devices", SMC_NETLINK_GET_DEV_SMCD, print_device);
    list(id, "link_groups", SMC_NETLINK_GET_LGR_SMCD, print_group);
    info_load();
    printf("\"sockets\":");
    if (diag_print() < 0)
        fail("asking for SMC's sockets (is smc_diag loaded?)");
    printf("}\n");
    return RIGHT;
}
