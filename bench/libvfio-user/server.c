/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * A minimal server on libvfio-user. It has the regions for the benchmark's messages, but no device.
 * The benchmark builds it with the library that LIBVFIO_USER names.
 *
 * usage: server SOCKET
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvfio-user.h>

enum { DMB_BAR = 0, COMMAND_BAR = 2, KEPT = 4096 };

static const struct {
    int index;
    size_t size;
} bars[] = { { DMB_BAR, 1UL << 48 }, { COMMAND_BAR, KEPT } };

static char memory[KEPT];

/* Both BARs share the memory. Offsets wrap around at its end. */
static ssize_t
access_bar(vfu_ctx_t *ctx, char *bytes, size_t count, loff_t offset, bool is_write)
{
    (void)ctx;
    size_t at = (size_t)offset % KEPT;
    if (count > KEPT - at) {
        errno = EINVAL;
        return -1;
    }
    if (is_write)
        memcpy(memory + at, bytes, count);
    else
        memcpy(bytes, memory + at, count);
    return count;
}

static void
mapped(vfu_ctx_t *ctx, vfu_dma_info_t *info)
{
    (void)ctx;
    (void)info;
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: server SOCKET");
    vfu_ctx_t *ctx = vfu_create_ctx(VFU_TRANS_SOCK, argv[1], 0, NULL, VFU_DEV_TYPE_PCI);
    if (ctx == NULL)
        err(1, "vfu_create_ctx");
    if (vfu_pci_init(ctx, VFU_PCI_TYPE_EXPRESS, PCI_HEADER_TYPE_NORMAL, 0) < 0)
        err(1, "vfu_pci_init");
    for (size_t bar = 0; bar < sizeof(bars) / sizeof(bars[0]); bar++)
        if (vfu_setup_region(ctx, bars[bar].index, bars[bar].size, access_bar,
                             VFU_REGION_FLAG_RW | VFU_REGION_FLAG_MEM, NULL, 0, -1, 0) < 0)
            err(1, "vfu_setup_region");
    if (vfu_setup_device_dma(ctx, mapped, mapped) < 0)
        err(1, "vfu_setup_device_dma");
    if (vfu_realize_ctx(ctx) < 0)
        err(1, "vfu_realize_ctx");
    if (vfu_attach_ctx(ctx) < 0)
        err(1, "vfu_attach_ctx");
    while (vfu_run_ctx(ctx) >= 0 || errno == EINTR) {
    }
    /* ENOTCONN: the client has left. */
    int left = errno == ENOTCONN;
    vfu_destroy_ctx(ctx);
    return left ? EXIT_SUCCESS : EXIT_FAILURE;
}
