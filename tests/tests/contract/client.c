/*
 * A client of the zPCI I/O region. It uses only docs/contract.md and contract/vfio-user-ism.h.
 *
 *     client SOCKET        runs READ_GID by PCISTB and PCILG, then sends requests that must be refused
 *     client SOCKET bars   does the same by whole BAR writes
 *
 * It prints each fact in a line, and ends with status 1 if a message contradicts the page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio-user-ism.h"

static int channel;
static uint16_t next_id = 1;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void read_all(void *to, size_t size)
{
    uint8_t *at = to;
    while (size > 0) {
        ssize_t got = read(channel, at, size);
        if (got <= 0) {
            fail("the server closed the connection");
        }
        at += got;
        size -= (size_t)got;
    }
}

/* Sends a message and reads its reply. Returns the errno. */
static uint32_t ask(uint16_t command, const void *body, uint32_t size, void *reply, uint32_t *reply_size)
{
    struct vui_message header = { next_id++, command, (uint32_t)sizeof(header) + size, 0, 0 };
    struct vui_message answer;
    uint8_t message[8192];

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), body, size);
    if (write(channel, message, header.message_size) != (ssize_t)header.message_size) {
        fail("cannot send");
    }
    read_all(&answer, sizeof(answer));
    if (answer.message_id != header.message_id || answer.command != command ||
        !(answer.flags & VUI_FLAG_REPLY)) {
        fail("not the reply to this message");
    }
    if (answer.flags & VUI_FLAG_ERROR) {
        if (answer.message_size != sizeof(answer)) {
            fail("a refusal with a body");
        }
        return answer.error;
    }
    if (answer.message_size - sizeof(answer) > *reply_size) {
        fail("a reply that is too long");
    }
    *reply_size = answer.message_size - (uint32_t)sizeof(answer);
    read_all(reply, *reply_size);
    return 0;
}

static uint32_t write_region(uint32_t region, uint64_t offset, const void *bytes, uint32_t count)
{
    struct vui_access access = { offset, region, count };
    uint8_t body[8192 - sizeof(struct vui_message)];
    uint32_t size = sizeof(access);

    memcpy(body, &access, sizeof(access));
    memcpy(body + sizeof(access), bytes, count);
    return ask(VUI_REGION_WRITE, body, (uint32_t)sizeof(access) + count, &access, &size);
}

static uint32_t read_region(uint32_t region, uint64_t offset, void *bytes, uint32_t count)
{
    struct vui_access access = { offset, region, count };
    uint8_t reply[sizeof(access) + 64];
    uint32_t size = sizeof(reply);
    uint32_t error = ask(VUI_REGION_READ, &access, sizeof(access), reply, &size);

    if (error == 0) {
        if (size != sizeof(access) + count) {
            fail("a read of another length");
        }
        memcpy(bytes, reply + sizeof(access), count);
    }
    return error;
}

/* Issues one instruction through the zPCI I/O region. */
static uint32_t request(uint64_t flags, uint8_t pcias, uint64_t offset, const void *bytes, uint16_t len)
{
    struct vui_zpci_request request = { flags, 0, offset, 0, len, pcias, 0 };
    uint8_t all[sizeof(request) + 4096];
    uint16_t payload = flags == VUI_ZPCI_READ ? 0 : len;

    memcpy(all, &request, sizeof(request));
    memcpy(all + sizeof(request), bytes, payload);
    return write_region(VUI_ZPCI, VUI_ZPCI_REQUEST, all, (uint32_t)sizeof(request) + payload);
}

static uint64_t big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static uint64_t load(uint64_t offset)
{
    uint8_t image[VUI_ZPCI_RESULT_SIZE];

    if (request(VUI_ZPCI_READ, VUI_BAR2, offset, NULL, 8) ||
        read_region(VUI_ZPCI, VUI_ZPCI_RESULT, image, sizeof(image))) {
        fail("a load was refused");
    }
    return big_endian(image);
}

static void hello(void)
{
    static const char text[] = "{\"capabilities\":{}}";
    struct vui_version version = { 0, 0 };
    uint8_t body[sizeof(version) + sizeof(text)];
    uint8_t reply[4096];
    uint32_t size = sizeof(reply);

    memcpy(body, &version, sizeof(version));
    memcpy(body + sizeof(version), text, sizeof(text));
    if (ask(VUI_VERSION, body, sizeof(body), reply, &size)) {
        fail("VERSION was refused");
    }
    memcpy(&version, reply, sizeof(version));
    if (version.major != 0) {
        fail("another major version");
    }
}

static void device(void)
{
    struct vui_device_info info = { 4096, 0, 0, 0, 0, 0 };
    uint8_t reply[4096];
    uint32_t size = sizeof(reply);

    if (ask(VUI_DEVICE_GET_INFO, &info, VUI_DEVICE_REQUEST_SIZE, reply, &size)) {
        fail("DEVICE_GET_INFO was refused");
    }
    memcpy(&info, reply, sizeof(info));
    if (!(info.flags & VUI_DEVICE_CAPS)) {
        fail("no capabilities");
    }
    for (uint32_t at = info.cap_offset; at != 0;) {
        struct vui_capability header;
        memcpy(&header, reply + at, sizeof(header));
        if (header.id == VUI_CAP_ZPCI_BASE) {
            struct vui_zpci_base base;
            memcpy(&base, reply + at, sizeof(base));
            printf("pchid %#x pft %u dma %#llx\n", base.pchid, base.pft, (unsigned long long)base.start_dma);
        } else if (header.id == VUI_CAP_ZPCI_GROUP) {
            struct vui_zpci_group group;
            memcpy(&group, reply + at, sizeof(group));
            printf("maxstbl %u relaxed %d noi %u\n", group.maxstbl,
                   (group.flags & VUI_GROUP_RELAXED) != 0, group.noi);
        } else if (header.id == VUI_CAP_ZPCI_UTIL) {
            struct vui_zpci_util util;
            memcpy(&util, reply + at, sizeof(util));
            printf("util %u\n", util.size);
        } else if (header.id == VUI_CAP_ZPCI_PFIP) {
            struct vui_zpci_pfip pfip;
            memcpy(&pfip, reply + at, sizeof(pfip));
            printf("pfip %u\n", pfip.size);
        }
        at = header.next;
    }
}

static void region(void)
{
    struct vui_region_info info = { 4096, 0, VUI_ZPCI, 0, 0, 0 };
    struct vui_region_type type;
    struct vui_zpci_header header;
    uint8_t reply[4096];
    uint32_t size = sizeof(reply);

    if (ask(VUI_DEVICE_GET_REGION_INFO, &info, sizeof(info), reply, &size)) {
        fail("DEVICE_GET_REGION_INFO was refused");
    }
    memcpy(&info, reply, sizeof(info));
    memcpy(&type, reply + info.cap_offset, sizeof(type));
    if (!(info.flags & VUI_REGION_CAPS) || type.header.id != VUI_REGION_CAP_TYPE ||
        type.type != VUI_ZPCI_TYPE || type.subtype != VUI_ZPCI_SUBTYPE) {
        fail("region 9 is not the zPCI I/O region");
    }
    if (read_region(VUI_ZPCI, VUI_ZPCI_HEADER, &header, sizeof(header))) {
        fail("the header cannot be read");
    }
    printf("max %u\n", header.max);
}

int main(int argc, char **argv)
{
    /* READ_GID: command 3, 8 bytes. */
    static const uint8_t read_gid[8] = { 0, 0, 0, 3, 0, 0, 0, 8 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    uint8_t block[24], bytes[8];

    if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        fail("usage: client SOCKET [bars]");
    }
    strcpy(address.sun_path, argv[1]);
    channel = socket(AF_UNIX, SOCK_STREAM, 0);
    if (channel < 0 || connect(channel, (struct sockaddr *)&address, sizeof(address))) {
        fail("cannot connect");
    }
    hello();
    device();
    region();
    for (unsigned i = 0; i < sizeof(block); i++) {
        block[i] = (uint8_t)(0xA0 + i);
    }
    if (argc > 2) {
        printf("store %u\n", write_region(VUI_BAR2, 0x803, block, sizeof(block)));
        printf("command %u\n", write_region(VUI_BAR2, 0, read_gid, sizeof(read_gid)));
        if (read_region(VUI_BAR2, 8, bytes, sizeof(bytes))) {
            fail("a load was refused");
        }
        printf("gid %#llx\n", (unsigned long long)big_endian(bytes));
        return 0;
    }
    printf("store %u\n", request(VUI_ZPCI_BLOCKW, VUI_BAR2, 0x803, block, sizeof(block)));
    printf("register %u\n", request(VUI_ZPCI_STORE, VUI_BAR2, 0x900, block, 4));
    printf("command %u\n", request(VUI_ZPCI_BLOCKW, VUI_BAR2, 0, read_gid, sizeof(read_gid)));
    printf("response %#llx\n", (unsigned long long)load(0));
    printf("gid %#llx\n", (unsigned long long)load(8));
    printf("across %u\n", request(VUI_ZPCI_BLOCKW, VUI_BAR2, 0xffc, block, sizeof(block)));
    printf("absent %u\n", request(VUI_ZPCI_BLOCKW, 1, 0, block, sizeof(block)));
    printf("nothing %u\n", request(VUI_ZPCI_BLOCKW, VUI_BAR2, 0x800, block, 0));
    printf("two %u\n", request(VUI_ZPCI_BLOCKW | VUI_ZPCI_READ, VUI_BAR2, 0x800, block, 8));
    printf("partial %u\n", write_region(VUI_ZPCI, VUI_ZPCI_REQUEST + 8, block, sizeof(block)));
    return 0;
}
