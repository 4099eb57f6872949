/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU without vfio-user has no zPCI function behind it.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/pci/pci.h"
#include "hw/s390x/s390-pci-bus.h"

bool s390_pci_vfio_user_plug(S390pciState *s, S390PCIBusDevice *pbdev,
                             Error **errp)
{
    return true;
}

int s390_pci_vfio_user_msi_init(S390PCIBusDevice *pbdev,
                                const MemoryRegionOps *doorbell)
{
    return -1;
}

void s390_pci_vfio_user_forget(S390PCIBusDevice *pbdev)
{
}

bool s390_pci_vfio_user_takes_block(S390PCIBusDevice *pbdev, uint8_t pcias)
{
    return false;
}

int s390_pci_vfio_user_store_block(S390CPU *cpu, S390PCIBusDevice *pbdev,
                                   uint8_t r1, uint8_t pcias, uint64_t offset,
                                   uint16_t len, uint64_t gaddr, uint8_t ar,
                                   uintptr_t ra)
{
    g_assert_not_reached();
}

bool s390_pci_vfio_user_takes_length(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint8_t len)
{
    return false;
}

MemTxResult s390_pci_vfio_user_load(S390PCIBusDevice *pbdev, uint8_t pcias,
                                    uint64_t offset, uint64_t *data,
                                    uint8_t len)
{
    g_assert_not_reached();
}

MemTxResult s390_pci_vfio_user_store(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint64_t offset, uint64_t data,
                                     uint8_t len)
{
    g_assert_not_reached();
}
