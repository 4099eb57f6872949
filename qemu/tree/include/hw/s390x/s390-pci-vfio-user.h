/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zPCI functions behind a vfio-user server.
 */
#ifndef HW_S390_PCI_VFIO_USER_H
#define HW_S390_PCI_VFIO_USER_H

typedef struct S390PCIBusDevice S390PCIBusDevice;
typedef struct S390pciState S390pciState;

/* How many targets of accepted block stores a zPCI device remembers. */
#define S390_PCI_VFIO_USER_TARGETS 256

/* Where an accepted block store went, and the end of its bytes there. */
typedef struct S390PCIVfioUserTarget {
    uint64_t place;
    /* 0 if there is no target. */
    uint32_t end;
} S390PCIVfioUserTarget;

/* What a zPCI device keeps of its vfio-user function. */
typedef struct S390PCIVfioUser {
    /* The zpci device's property "stores": auto, bar or region. */
    char *stores;
    /*
     * The zpci device's property "posted": nobody waits for a store to the
     * region that will succeed.
     */
    bool posted;
    /* The function is a vfio-user function. */
    bool attached;
    /* Block stores may have any length and alignment. */
    bool relaxed;
    /* The longest block store, in bytes. */
    uint16_t max_store;
    /* Index of the zPCI I/O region, or -1 if block stores are BAR writes. */
    int region;
    /*
     * Targets of block stores that the server has accepted since the last
     * command.
     */
    S390PCIVfioUserTarget accepted[S390_PCI_VFIO_USER_TARGETS];
} S390PCIVfioUser;

/*
 * Takes the facts of a vfio-user function. Returns false and sets errp if it
 * cannot be used.
 */
bool s390_pci_vfio_user_plug(S390pciState *s, S390PCIBusDevice *pbdev,
                             Error **errp);

/*
 * Makes the doorbell of a vfio-user function that has MSI and no MSI-X.
 * Returns 0, or -1 if the function has no MSI.
 */
int s390_pci_vfio_user_msi_init(S390PCIBusDevice *pbdev,
                                const MemoryRegionOps *doorbell);

/*
 * Forgets the accepted targets: a command or a reset may change what is
 * accepted.
 */
void s390_pci_vfio_user_forget(S390PCIBusDevice *pbdev);

/* Whether a block store to this BAR goes to the vfio-user server whole. */
bool s390_pci_vfio_user_takes_block(S390PCIBusDevice *pbdev, uint8_t pcias);

/* Carries out a PCISTB whose handle, state and address space were checked. */
int s390_pci_vfio_user_store_block(S390CPU *cpu, S390PCIBusDevice *pbdev,
                                   uint8_t r1, uint8_t pcias, uint64_t offset,
                                   uint16_t len, uint64_t gaddr, uint8_t ar,
                                   uintptr_t ra);

/*
 * Whether a PCILG or PCISTG of this length goes to the vfio-user server whole.
 */
bool s390_pci_vfio_user_takes_length(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint8_t len);

/* A PCILG or PCISTG of 3, 5, 6 or 7 bytes. data is the register's value. */
MemTxResult s390_pci_vfio_user_load(S390PCIBusDevice *pbdev, uint8_t pcias,
                                    uint64_t offset, uint64_t *data,
                                    uint8_t len);
MemTxResult s390_pci_vfio_user_store(S390PCIBusDevice *pbdev, uint8_t pcias,
                                     uint64_t offset, uint64_t data,
                                     uint8_t len);

#endif
