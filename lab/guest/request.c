/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tool.h"

/* On the wire: 32 bytes, big-endian. */
struct wire {
    uint32_t magic;
    uint8_t command;
    uint8_t both;
    uint16_t reserved;
    uint32_t size;
    uint32_t count;
    uint64_t bytes;
    uint64_t seed;
};

static const uint32_t magic = 0x534d4354; /* SMCT */

int request_write(int fd, const struct request *request)
{
    struct wire wire = {
        .magic = htobe32(magic),
        .command = request->command,
        .both = request->both,
        .size = htobe32(request->size),
        .count = htobe32(request->count),
        .bytes = htobe64(request->bytes),
        .seed = htobe64(request->seed),
    };

    return connection_write(fd, &wire, sizeof wire);
}

int request_read(int fd, struct request *request)
{
    struct wire wire;

    if (connection_read(fd, &wire, sizeof wire) < 0)
        return -1;
    *request = (struct request){
        .command = wire.command,
        .both = wire.both,
        .size = be32toh(wire.size),
        .count = be32toh(wire.count),
        .bytes = be64toh(wire.bytes),
        .seed = be64toh(wire.seed),
    };
    if (be32toh(wire.magic) != magic || request->command < REQUEST_SEND ||
        request->command > REQUEST_HOLD || request->size > 1 << 20) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}
