/* SPDX-License-Identifier: GPL-2.0-or-later OR Apache-2.0 OR MIT */
/*
 * The layouts that a client of vfio-user-ism uses: what QEMU, or whatever else
 * executes zPCI instructions, sends to the function and gets back.
 * docs/contract.md describes each field.
 *
 * Numbers are in the byte order of the host, unless a comment says otherwise:
 * client and server run on one machine. All fields lie at their natural
 * alignment, so no packing is needed.
 *
 * Sources of the layouts: QEMU docs/interop/vfio-user.rst, Linux
 * include/uapi/linux/vfio.h and vfio_zdev.h, the kernel patch series "zPCI I/O
 * region" (January 2021). VUI_ZPCI_STORE, appended payloads and the register
 * image are this project's own.
 */
#ifndef VFIO_USER_ISM_H
#define VFIO_USER_ISM_H

#include <stdint.h>

/* Every message starts with this header; message_size counts it. */
struct vui_message {
    uint16_t message_id;
    uint16_t command;
    uint32_t message_size;
    uint32_t flags;
    uint32_t error;
};

#define VUI_FLAG_REPLY 0x1
#define VUI_FLAG_NO_REPLY 0x10
#define VUI_FLAG_ERROR 0x20

#define VUI_VERSION 1
#define VUI_DEVICE_GET_INFO 4
#define VUI_DEVICE_GET_REGION_INFO 5
#define VUI_REGION_READ 9
#define VUI_REGION_WRITE 10

/* VERSION, request and reply; a JSON text with its final NUL may follow. */
struct vui_version {
    uint16_t major;
    uint16_t minor;
};

/*
 * DEVICE_GET_INFO: the request has the first four fields, the reply all of
 * them.
 */
struct vui_device_info {
    uint32_t argsz;
    uint32_t flags;
    uint32_t num_regions;
    uint32_t num_irqs;
    uint32_t cap_offset;
    uint32_t reserved;
};

#define VUI_DEVICE_REQUEST_SIZE 16
#define VUI_DEVICE_RESET 0x1
#define VUI_DEVICE_PCI 0x2
#define VUI_DEVICE_CAPS 0x80

/* DEVICE_GET_REGION_INFO, request and reply. */
struct vui_region_info {
    uint32_t argsz;
    uint32_t flags;
    uint32_t index;
    uint32_t cap_offset;
    uint64_t size;
    uint64_t offset;
};

#define VUI_REGION_READABLE 0x1
#define VUI_REGION_WRITABLE 0x2
#define VUI_REGION_CAPS 0x8

#define VUI_BAR0 0
#define VUI_BAR2 2
#define VUI_BAR4 4
#define VUI_CONFIG 7
#define VUI_ZPCI 9

/*
 * Starts every capability; next counts from the start of the info, 0 ends the
 * chain.
 */
struct vui_capability {
    uint16_t id;
    uint16_t version;
    uint32_t next;
};

/* Region capability 2: how the zPCI I/O region is known. */
struct vui_region_type {
    struct vui_capability header;
    uint32_t type;
    uint32_t subtype;
};

#define VUI_REGION_CAP_TYPE 2
#define VUI_ZPCI_TYPE 0x80001014
#define VUI_ZPCI_SUBTYPE 2

/*
 * REGION_READ: the request, and what precedes the bytes in the reply.
 * REGION_WRITE: what precedes the bytes in the request, and the reply.
 */
struct vui_access {
    uint64_t offset;
    uint32_t region;
    uint32_t count;
};

/* zPCI I/O region, at VUI_ZPCI_HEADER: read only. */
struct vui_zpci_header {
    uint64_t flags;
    uint16_t max;
    uint16_t reserved;
    uint32_t reserved2;
};

/*
 * zPCI I/O region, at VUI_ZPCI_REQUEST: write only, always all of it. The write
 * is the instruction.
 */
struct vui_zpci_request {
    uint64_t flags;
    uint64_t gaddr;
    uint64_t offset;
    uint32_t reserved;
    uint16_t len;
    uint8_t pcias;
    uint8_t reserved2;
};

#define VUI_ZPCI_HEADER 0
#define VUI_ZPCI_REQUEST 16
/*
 * Behind the request: the payload of a store; after a load, its register image
 * (big endian).
 */
#define VUI_ZPCI_RESULT 48
#define VUI_ZPCI_RESULT_SIZE 8

#define VUI_ZPCI_READ 1   /* PCILG */
#define VUI_ZPCI_BLOCKW 2 /* PCISTB */
#define VUI_ZPCI_STORE 4  /* PCISTG */

/* Device capability 1: the function. */
struct vui_zpci_base {
    struct vui_capability header;
    uint64_t start_dma;
    uint64_t end_dma;
    uint16_t pchid;
    uint16_t vfn;
    uint16_t fmb_length;
    uint8_t pft;
    uint8_t gid;
    uint32_t fh;
    uint32_t reserved;
};

/* Device capability 2: the function's group. */
struct vui_zpci_group {
    struct vui_capability header;
    uint64_t dasm;
    uint64_t msi_addr;
    uint64_t flags;
    uint16_t mui;
    uint16_t noi;
    uint16_t maxstbl;
    uint8_t version;
    uint8_t reserved;
    uint16_t imaxstbl;
    uint16_t reserved2[3];
};

/* Device capability 3: the utility string, EBCDIC. */
struct vui_zpci_util {
    struct vui_capability header;
    uint32_t size;
    uint8_t util_str[64];
    uint32_t reserved;
};

/* Device capability 4: the internal path. */
struct vui_zpci_pfip {
    struct vui_capability header;
    uint32_t size;
    uint8_t pfip[4];
};

#define VUI_CAP_ZPCI_BASE 1
#define VUI_CAP_ZPCI_GROUP 2
#define VUI_CAP_ZPCI_UTIL 3
#define VUI_CAP_ZPCI_PFIP 4
#define VUI_GROUP_REFRESH 0x1
#define VUI_GROUP_RELAXED 0x2

/*
 * The error field of a reply to an instruction: Linux's numbers on most
 * machines.
 */
#define VUI_EPERM 1   /* this channel does not take that command or region */
#define VUI_EIO 5     /* the instruction fails */
#define VUI_EFAULT 14 /* the place, or the memory at gaddr, cannot be reached */
#define VUI_EBUSY 16  /* the channel has a client already */
#define VUI_ENODEV 19 /* the function is gone: condition code 3 */
#define VUI_EINVAL 22 /* the message makes no sense */

#endif
