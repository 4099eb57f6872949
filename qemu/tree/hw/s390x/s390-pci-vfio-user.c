/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zPCI functions behind a vfio-user server.
 *
 * A zPCI block store (PCISTB) is one transaction of up to 4096 bytes. Some
 * functions (ISM) only work if it arrives as one. This file hands it to the
 * vfio-user server whole, in one of two ways:
 *
 * - as one write of the block to the BAR, which nobody waits for ("bar");
 * - as one write of a request and the block to the zPCI I/O region, whose
 *   answer is the end of the instruction ("region"). Nobody waits for it if the
 *   instruction is known to succeed.
 *
 * It also tells the guest's CLP what the server says of the function and its
 * group.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_host.h"
#include "hw/pci/msi.h"
#include "hw/s390x/s390-pci-bus.h"
#include "hw/s390x/s390-pci-inst.h"
#include "hw/vfio/pci.h"
#include "hw/vfio-user/device.h"
#include "hw/vfio-user/proxy.h"
#include "hw/s390x/vfio-user-ism.h"

/* Longest PCISTB of the architecture, and the boundary that none crosses. */
#define BLOCK_MAX 4096
/* Room for DEVICE_GET_INFO's reply with all capabilities. */
#define INFO_MAX 1024
/* CLP Query PCI Function Group, flag of functions with relaxed block stores. */
#define CLP_GROUP_RELAXED 0x08
/*
 * Tells the server's group numbers from those of the host. A vfio-pci function
 * shares a group of the same host number, and must not share a server's.
 */
#define SERVER_GROUP 0x100
/*
 * ISM's BAR of the data space, and the bits of an address there that are the
 * offset in a buffer.
 */
#define ISM_DATA_BAR 0
#define ISM_OFFSET_BITS 23

static VFIOPCIDevice *function(S390PCIBusDevice *pbdev)
{
    return VFIO_PCI_DEVICE(pbdev->pdev);
}

/*
 * Returns the info and its length, without the message header, or NULL with
 * errp set.
 */
static uint8_t *device_info(VFIOUserProxy *proxy, size_t *len, Error **errp)
{
    size_t request = sizeof(VFIOUserHdr) + VUI_DEVICE_REQUEST_SIZE;
    g_autofree uint8_t *message = g_malloc0(sizeof(VFIOUserHdr) + INFO_MAX);
    VFIOUserHdr *hdr = (VFIOUserHdr *)message;
    struct vui_device_info *info =
        (struct vui_device_info *)(message + sizeof(*hdr));

    vfio_user_request_msg(hdr, VFIO_USER_DEVICE_GET_INFO, request, 0);
    info->argsz = INFO_MAX;
    if (!vfio_user_send_wait(proxy, hdr, NULL, sizeof(*hdr) + INFO_MAX, errp)) {
        return NULL;
    }
    if (hdr->flags & VFIO_USER_ERROR) {
        error_setg_errno(errp, hdr->error_reply,
                         "vfio-user: DEVICE_GET_INFO failed");
        return NULL;
    }
    *len = MIN(hdr->size - sizeof(*hdr), INFO_MAX);
    if (*len == 0) {
        error_setg(errp, "vfio-user: DEVICE_GET_INFO: empty reply");
        return NULL;
    }
    return g_memdup2(info, *len);
}

/* The capability with this id and at least size bytes, or NULL. */
static const void *capability(const uint8_t *info, size_t len, uint16_t id,
                              size_t size)
{
    const struct vui_device_info *head = (const void *)info;
    const struct vui_capability *cap;
    uint32_t at;
    int seen = 0;

    if (len < sizeof(*head) || !(head->flags & VUI_DEVICE_CAPS)) {
        return NULL;
    }
    /* A chain that is a ring ends, too. */
    for (at = head->cap_offset; at && seen < 32; at = cap->next, seen++) {
        if (at % 8 || at > len || len - at < sizeof(*cap)) {
            return NULL;
        }
        cap = (const void *)(info + at);
        if (cap->id == id) {
            return len - at >= size ? cap : NULL;
        }
    }
    return NULL;
}

static void take_function_facts(S390PCIBusDevice *pbdev,
                                const uint8_t *info, size_t len)
{
    const struct vui_zpci_base *base;
    const struct vui_zpci_util *util;
    const struct vui_zpci_pfip *pfip;

    base = capability(info, len, VUI_CAP_ZPCI_BASE,
                      offsetof(struct vui_zpci_base, fh));
    if (base) {
        pbdev->zpci_fn.sdma = base->start_dma;
        pbdev->zpci_fn.edma = base->end_dma;
        pbdev->zpci_fn.pchid = base->pchid;
        pbdev->zpci_fn.vfn = base->vfn;
        /* For the guest alone: pbdev->pft is about passed-through functions. */
        pbdev->zpci_fn.pft = base->pft;
    }
    util = capability(info, len, VUI_CAP_ZPCI_UTIL,
                      offsetof(struct vui_zpci_util, reserved));
    if (util && util->size <= CLP_UTIL_STR_LEN &&
        !buffer_is_zero(util->util_str, util->size)) {
        memcpy(pbdev->zpci_fn.util_str, util->util_str, util->size);
        pbdev->zpci_fn.flags |= CLP_RSP_QPCI_MASK_UTIL;
    }
    pfip = capability(info, len, VUI_CAP_ZPCI_PFIP, sizeof(*pfip));
    if (pfip && pfip->size <= CLP_PFIP_NR_SEGMENTS) {
        memcpy(pbdev->zpci_fn.pfip, pfip->pfip, pfip->size);
    }
}

/* The group that says what the server says, made if there is none yet. */
static S390PCIGroup *group_of(S390pciState *s, int gid,
                              const ClpRspQueryPciGrp *facts)
{
    S390PCIGroup *group;

    QTAILQ_FOREACH(group, &s->zpci_groups, link) {
        if (group->host_id == gid &&
            !memcmp(&group->zpci_group, facts, sizeof(*facts))) {
            return group;
        }
    }
    if (s->next_sim_grp == ZPCI_DEFAULT_FN_GRP) {
        return NULL;
    }
    group = s390_group_create(s->next_sim_grp++, gid);
    group->zpci_group = *facts;
    return group;
}

static bool take_group_facts(S390pciState *s, S390PCIBusDevice *pbdev,
                             const uint8_t *info, size_t len, Error **errp)
{
    ClpRspQueryPciGrp facts = pbdev->pci_group->zpci_group;
    const struct vui_zpci_group *cap;
    const struct vui_zpci_base *base;
    S390PCIGroup *group;

    cap = capability(info, len, VUI_CAP_ZPCI_GROUP,
                     offsetof(struct vui_zpci_group, reserved));
    if (!cap) {
        /* The defaults of any emulated function are in force. */
        pbdev->vfio_user.max_store = facts.maxstbl;
        return true;
    }
    facts.maxstbl = cap->maxstbl;
    if (cap->header.version >= 2 &&
        capability(info, len, VUI_CAP_ZPCI_GROUP,
                   offsetof(struct vui_zpci_group, reserved2))) {
        facts.maxstbl = MAX(cap->maxstbl, cap->imaxstbl);
    }
    if (facts.maxstbl == 0 || facts.maxstbl > BLOCK_MAX) {
        error_setg(errp, "vfio-user: the function's longest block store has "
                   "%u bytes, expected 1 to %u", facts.maxstbl, BLOCK_MAX);
        return false;
    }
    facts.dasm = cap->dasm;
    if (cap->msi_addr) {
        facts.msia = cap->msi_addr;
    }
    facts.mui = cap->mui;
    facts.i = cap->noi;
    facts.version = cap->version;
    if (cap->flags & VUI_GROUP_RELAXED) {
        facts.fr |= CLP_GROUP_RELAXED;
    }
    base = capability(info, len, VUI_CAP_ZPCI_BASE,
                      offsetof(struct vui_zpci_base, fh));
    group = group_of(s, SERVER_GROUP | (base ? base->gid : 0), &facts);
    if (!group) {
        error_setg(errp, "vfio-user: no zPCI function group is left");
        return false;
    }
    pbdev->pci_group = group;
    pbdev->zpci_fn.pfgid = group->id;
    pbdev->vfio_user.max_store = facts.maxstbl;
    pbdev->vfio_user.relaxed = cap->flags & VUI_GROUP_RELAXED;
    return true;
}

/* Sets the way of block stores, as the property says. */
static bool choose_region(S390PCIBusDevice *pbdev, Error **errp)
{
    const char *stores = pbdev->vfio_user.stores ?: "auto";
    struct vfio_region_info *info;
    bool offered;

    if (strcmp(stores, "auto") && strcmp(stores, "bar") &&
        strcmp(stores, "region")) {
        error_setg(errp, "zpci: stores=%s: expected auto, bar or region",
                   stores);
        return false;
    }
    pbdev->vfio_user.region = -1;
    offered = !vfio_device_get_region_info_type(&function(pbdev)->vbasedev,
                                                VUI_ZPCI_TYPE,
                                                VUI_ZPCI_SUBTYPE, &info);
    if (!offered && !strcmp(stores, "region")) {
        error_setg(errp, "zpci: stores=region: the vfio-user server offers no "
                   "zPCI I/O region");
        return false;
    }
    if (offered && strcmp(stores, "bar")) {
        pbdev->vfio_user.region = info->index;
    }
    return true;
}

static bool attach(S390pciState *s, S390PCIBusDevice *pbdev, Error **errp)
{
    g_autofree uint8_t *info = NULL;
    size_t len = 0;

    info = device_info(function(pbdev)->vbasedev.proxy, &len, errp);
    if (!info) {
        return false;
    }
    take_function_facts(pbdev, info, len);
    return take_group_facts(s, pbdev, info, len, errp) &&
        choose_region(pbdev, errp);
}

/* QEMU frees a function that it refuses: no CLP may find it any more. */
static void detach(S390PCIBusDevice *pbdev)
{
    pbdev->vfio_user.attached = false;
    pbdev->pdev = NULL;
    pbdev->state = ZPCI_FS_RESERVED;
}

bool s390_pci_vfio_user_plug(S390pciState *s, S390PCIBusDevice *pbdev,
                             Error **errp)
{
    /* The properties stay. */
    pbdev->vfio_user.attached = false;
    pbdev->vfio_user.relaxed = false;
    s390_pci_vfio_user_forget(pbdev);
    if (!object_dynamic_cast(OBJECT(pbdev->pdev), "vfio-user-pci")) {
        return true;
    }
    pbdev->vfio_user.attached = attach(s, pbdev, errp);
    if (!pbdev->vfio_user.attached) {
        detach(pbdev);
    }
    return pbdev->vfio_user.attached;
}

int s390_pci_vfio_user_msi_init(S390PCIBusDevice *pbdev,
                                const MemoryRegionOps *doorbell)
{
    g_autofree char *name = NULL;
    uint8_t at = pci_find_capability(pbdev->pdev, PCI_CAP_ID_MSI);
    uint16_t control;

    if (!pbdev->vfio_user.attached) {
        return -1;
    }
    if (!at) {
        detach(pbdev);
        return -1;
    }
    control = pci_host_config_read_common(pbdev->pdev, at + PCI_MSI_FLAGS,
                                          pci_config_size(pbdev->pdev), 2);
    pbdev->msix.entries = 1 << ((control & PCI_MSI_FLAGS_QMASK) >> 1);
    name = g_strdup_printf("msi-s390-%04x", pbdev->uid);
    memory_region_init_io(&pbdev->msix_notify_mr, OBJECT(pbdev), doorbell,
                          pbdev, name, 4 * KiB);
    memory_region_add_subregion(&pbdev->iommu->mr,
                                pbdev->pci_group->zpci_group.msia,
                                &pbdev->msix_notify_mr);
    return 0;
}

/* QEMU itself keeps the MSI-X table and its pending bits. */
static bool is_msix_bar(S390PCIBusDevice *pbdev, uint8_t pcias)
{
    VFIOMSIXInfo *msix = function(pbdev)->msix;

    return msix && (msix->table_bar == pcias || msix->pba_bar == pcias);
}

bool s390_pci_vfio_user_takes_block(S390PCIBusDevice *pbdev, uint8_t pcias)
{
    return pbdev->vfio_user.attached && !is_msix_bar(pbdev, pcias);
}

bool s390_pci_vfio_user_takes_length(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint8_t len)
{
    return !is_power_of_2(len) && s390_pci_vfio_user_takes_block(pbdev, pcias);
}

/* Whether the bytes lie in the BAR. A BAR that does not exist has none. */
static bool in_bar(S390PCIBusDevice *pbdev, uint8_t pcias, uint64_t offset,
                   uint64_t len)
{
    uint64_t size = function(pbdev)->bars[pcias].region.size;

    return len <= size && offset <= size - len;
}

static ssize_t write_region(S390PCIBusDevice *pbdev, int region,
                            uint64_t offset, void *data, size_t len, bool post)
{
    VFIODevice *vbasedev = &function(pbdev)->vbasedev;
    ssize_t sent = vbasedev->io_ops->region_write(vbasedev, region, offset,
                                                  len, data, post);

    /* A reply may refuse with an error number that is none. */
    return sent < 0 || sent == len ? sent : -EIO;
}

/*
 * The slot for the target of this block store, or NULL if its end cannot be
 * known.
 *
 * Hardware posts block stores and tells of errors later. A store to the region
 * is posted if it will succeed: the server has accepted a store that reached at
 * least as far with the same buffer, element and signal flag, and there was no
 * command since. Only ISM's addresses tell these.
 */
static S390PCIVfioUserTarget *target_slot(S390PCIBusDevice *pbdev,
                                          uint8_t pcias, uint64_t place)
{
    uint64_t hash = place * 0x9e3779b97f4a7c15ULL;

    if (!pbdev->vfio_user.posted || pbdev->zpci_fn.pft != ZPCI_PFT_ISM ||
        pcias != ISM_DATA_BAR) {
        return NULL;
    }
    hash = (hash >> 32) % S390_PCI_VFIO_USER_TARGETS;
    return &pbdev->vfio_user.accepted[hash];
}

void s390_pci_vfio_user_forget(S390PCIBusDevice *pbdev)
{
    memset(pbdev->vfio_user.accepted, 0, sizeof(pbdev->vfio_user.accepted));
}

static ssize_t send_to_region(S390PCIBusDevice *pbdev, uint8_t pcias,
                              uint64_t offset, void *message, size_t size,
                              uint16_t len)
{
    uint64_t place = offset >> ISM_OFFSET_BITS;
    uint32_t end = (offset & ((1u << ISM_OFFSET_BITS) - 1)) + len;
    S390PCIVfioUserTarget *slot = target_slot(pbdev, pcias, place);
    bool same = slot && slot->end && slot->place == place;
    bool post = same && end <= slot->end;
    ssize_t sent = write_region(pbdev, pbdev->vfio_user.region,
                                VUI_ZPCI_REQUEST, message, size, post);

    if (!slot) {
        s390_pci_vfio_user_forget(pbdev);
    } else if (sent < 0) {
        slot->end = 0;
    } else if (!post) {
        *slot = (S390PCIVfioUserTarget) { .place = place, .end = end };
    }
    return sent;
}

static ssize_t send_block(S390PCIBusDevice *pbdev, uint8_t pcias,
                          uint64_t offset, uint8_t *block, uint16_t len)
{
    uint8_t message[sizeof(struct vui_zpci_request) + BLOCK_MAX];
    struct vui_zpci_request request = {
        .flags = VUI_ZPCI_BLOCKW,
        .offset = offset,
        .len = len,
        .pcias = pcias,
    };

    if (pbdev->vfio_user.region < 0) {
        return write_region(pbdev, pcias, offset, block, len, true);
    }
    memcpy(message, &request, sizeof(request));
    memcpy(message + sizeof(request), block, len);
    return send_to_region(pbdev, pcias, offset, message, sizeof(request) + len,
                          len);
}

int s390_pci_vfio_user_store_block(S390CPU *cpu, S390PCIBusDevice *pbdev,
                                   uint8_t r1, uint8_t pcias, uint64_t offset,
                                   uint16_t len, uint64_t gaddr, uint8_t ar,
                                   uintptr_t ra)
{
    CPUS390XState *env = &cpu->env;
    bool strict = offset % 8 == 0 && len % 8 == 0 && len > 8 && gaddr % 8 == 0;
    uint8_t block[BLOCK_MAX];
    ssize_t sent;

    if (len == 0 || len > pbdev->vfio_user.max_store ||
        offset % BLOCK_MAX + len > BLOCK_MAX ||
        !(pbdev->vfio_user.relaxed || strict)) {
        s390_program_interrupt(env, PGM_SPECIFICATION, ra);
        return 0;
    }
    if (!in_bar(pbdev, pcias, offset, len)) {
        s390_program_interrupt(env, PGM_OPERAND, ra);
        return 0;
    }
    if (s390_cpu_virt_mem_read(cpu, gaddr, ar, block, len)) {
        s390_cpu_virt_mem_handle_exc(cpu, ra);
        return 0;
    }
    sent = send_block(pbdev, pcias, offset, block, len);
    if (sent == -ENODEV) {
        setcc(cpu, ZPCI_PCI_LS_INVAL_HANDLE);
        return 0;
    }
    if (sent < 0) {
        s390_program_interrupt(env, PGM_OPERAND, ra);
        return 0;
    }
    pbdev->fmb.counter[ZPCI_FMB_CNT_STB]++;
    setcc(cpu, ZPCI_PCI_LS_OK);
    return 0;
}

MemTxResult s390_pci_vfio_user_load(S390PCIBusDevice *pbdev, uint8_t pcias,
                                    uint64_t offset, uint64_t *data,
                                    uint8_t len)
{
    VFIODevice *vbasedev = &function(pbdev)->vbasedev;
    uint8_t bytes[8] = { 0 };

    if (!in_bar(pbdev, pcias, offset, len) ||
        vbasedev->io_ops->region_read(vbasedev, pcias, offset, len,
                                      bytes + 8 - len) != len) {
        return MEMTX_ERROR;
    }
    *data = ldq_be_p(bytes);
    return MEMTX_OK;
}

MemTxResult s390_pci_vfio_user_store(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint64_t offset, uint64_t data,
                                     uint8_t len)
{
    uint8_t bytes[8];

    if (!in_bar(pbdev, pcias, offset, len)) {
        return MEMTX_ERROR;
    }
    stq_be_p(bytes, data);
    return write_region(pbdev, pcias, offset, bytes + 8 - len, len, true) < 0 ?
        MEMTX_ERROR : MEMTX_OK;
}
