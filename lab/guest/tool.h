/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* smcd-tool: what its files have in common. README.md tells what each command does. */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The socket family of SMC (source: linux/socket.h). */
#define FAMILY_SMC 43

/* Exit statuses. */
enum { RIGHT = 0, WRONG = 1, USAGE = 2 };

/* options.c: the words after the command. */

struct options {
    bool tcp;            /* --proto tcp */
    bool both;           /* --both */
    bool require_smcd;   /* --require-smcd */
    uint32_t to;         /* --to, network byte order */
    uint32_t bind;       /* --bind, network byte order */
    uint16_t port;       /* --port */
    uint64_t bytes;      /* --bytes */
    uint32_t conns;      /* --conns */
    uint32_t count;      /* --count; 0: not given */
    uint32_t size;       /* --size */
    uint64_t seed;       /* --seed */
    uint64_t spoil;      /* --spoil: offset of a byte to send wrong; UINT64_MAX: none */
    uint32_t patience;   /* --timeout, seconds */
    bool flush;          /* --flush */
    const char *add;     /* --add: a PNETID */
    const char *device;  /* --device: an interface or a PCI function */
};

/* Reads the words; `allowed` names the options of the command. Ends the program on others. */
struct options options_read(int argc, char **argv, const char *const *allowed);

/* error.c */

/* Says on stderr what went wrong, with errno's text when it is not 0. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As complain(), and ends the program with WRONG. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* connection.c: sockets of either protocol. */

int connection_listen(const struct options *options);
/* Tries until the patience is over while nobody listens. -1 with errno. */
int connection_open(const struct options *options);
/* Bounds how long a read or write of `fd` waits, and sends small messages at once. The bound holds whatever
   the kernel does, if the thread that reads or writes has ticks. */
int connection_prepare(int fd, uint32_t patience);
/* All `length` bytes or -1 with errno; an end before that is ECONNRESET, no byte for too long is ETIMEDOUT
   or EAGAIN. */
int connection_read(int fd, void *bytes, size_t length);
int connection_write(int fd, const void *bytes, size_t length);

/* request.c: what a client asks of `serve`, first on each connection. */

enum { REQUEST_SEND = 1, REQUEST_PING = 2, REQUEST_HOLD = 3 };

struct request {
    uint8_t command;
    bool both;           /* send: the server sends a stream as well */
    uint32_t size;       /* ping: bytes of one message */
    uint32_t count;      /* ping: how many */
    uint64_t bytes;      /* send: length of each stream */
    uint64_t seed;       /* send: of the client's stream; the server's is the next */
};

int request_write(int fd, const struct request *request);
/* -1 with errno; EPROTO when it is none. */
int request_read(int fd, struct request *request);

/* stream.c: the bytes of a seed, sent and checked. */

struct findings {
    uint64_t bytes;      /* received */
    uint64_t mismatches; /* wrong bytes among them */
    uint64_t first;      /* offset of the first wrong byte */
};

/* The byte at `spoil` is sent wrong, if the stream has so many. */
int stream_send(int fd, uint64_t seed, uint64_t bytes, uint64_t spoil);
int stream_check(int fd, uint64_t seed, uint64_t bytes, struct findings *findings);
int findings_write(int fd, const struct findings *findings);
int findings_read(int fd, struct findings *findings);

/* diag.c: what the kernel says of connections. */

struct modes {
    uint32_t smcd;
    uint32_t smcr;
    uint32_t fallback;
    uint32_t unknown;    /* the kernel did not list them */
    uint32_t reason;     /* of the first fallback, see README.md */
    int chids[4];        /* of the devices that carry them, each once */
    uint32_t chid_count;
};

/* How the connections `fds` run. -1 with errno. */
int diag_modes(const int *fds, uint32_t count, struct modes *modes);
/* Prints all SMC sockets as a JSON array. */
int diag_print(void);
/* The modes of `fds`, or all 0 for TCP; fails when SMC-D is required and one lacks it. */
struct modes modes_of(const struct options *options, const int *fds, uint32_t count);
/* Prints `"smcd":N,"fallback":N` and, if any fell back, the reason. */
void modes_print(const struct modes *modes);

/* info.c */

/* Asks the kernel for devices and link groups. -1 with errno. */
int info_load(void);
/* The CHID of the device of the link group between two GIDs, as it was when info_load() asked; -1. */
int info_chid(uint64_t gid, uint64_t peer_gid);
/* Prints a JSON array of the used devices with this CHID. */
void info_print_devices(int chid);

/* netlink.c */

struct nlmsghdr;
struct nlattr;

/* Sends `request` on a new netlink socket and gives each answer to `each`. -1 with errno. */
int netlink_ask(int protocol, const struct nlmsghdr *request,
                void (*each)(const struct nlmsghdr *answer, void *context), void *context);
/* The attribute `type` among `length` bytes of attributes, or NULL. */
const struct nlattr *netlink_find(const void *attributes, size_t length, int type);

/* tick.c: a signal to the calling thread, so many times a second. Its system calls end with EINTR. */

enum { TICKS = 5 };

void tick_begin(void);
void tick_end(void);

/* clock.c */

/* Nanoseconds since some moment. */
uint64_t now(void);

/* The commands. Each returns the exit status. */
int command_serve(const struct options *options);
int command_send(const struct options *options);
int command_ping(const struct options *options);
int command_hold(const struct options *options);
int command_info(const struct options *options);
int command_pnet(const struct options *options);

#endif
