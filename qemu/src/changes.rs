//! The changes, in the order of a patch series. Each one builds on its own.

use crate::source::{How, Place};

/// A change, as one commit.
#[derive(Debug)]
pub struct Change {
    /// The commit's subject.
    pub subject: &'static str,
    /// The commit's text: QEMU's behaviour today, and with the change.
    pub reason: &'static str,
    /// New files: path and content.
    pub files: &'static [(&'static str, &'static str)],
    /// Edits of QEMU's files.
    pub edits: &'static [Edit],
}

/// An edit of one file of QEMU.
#[derive(Debug)]
pub struct Edit {
    /// The file's path in the tree.
    pub file: &'static str,
    /// The place in the file.
    pub place: Place,
    /// The new text.
    pub text: &'static str,
}

const BUS: &str = "hw/s390x/s390-pci-bus.c";
const INSTRUCTIONS: &str = "hw/s390x/s390-pci-inst.c";
const VFIO_USER: &str = "hw/vfio-user/pci.c";

const fn edit(
    file: &'static str,
    within: Option<&'static str>,
    how: How,
    word: &'static str,
    text: &'static str,
) -> Edit {
    let place = Place { within, word, how };
    Edit { file, place, text }
}

/// All changes.
pub const CHANGES: [Change; 6] = [
    Change {
        subject: "target/s390x: Tell TCG the access exception of an instruction's operand",
        reason: "\
An instruction whose operand is read by s390_cpu_virt_mem_read() may meet
a page that is invalid or protected. The exception's code goes to the CPU
then, but not to tlb_fill_exc, and do_program_interrupt() asserts that
both are equal. So a guest under TCG can abort its QEMU, for example by
PCISTB, MPCIFC or STPCIFC. Set tlb_fill_exc and tlb_fill_tec as well.",
        files: &[],
        edits: &[edit(
            "target/s390x/mmu_helper.c",
            Some("trigger_access_exception"),
            How::Before,
            "trigger_pgm_exception",
            "        env->tlb_fill_exc = type;\n        env->tlb_fill_tec = tec;",
        )],
    },
    Change {
        subject: "s390x/pci: Keep the byte order of a block store",
        reason: "\
PCISTB reads the block as big-endian doublewords and dispatches them in
the order of the host. On a little-endian host the device gets the bytes
of each doubleword reversed. PCISTG does not reverse them. Dispatch them
as big-endian, too.",
        files: &[],
        edits: &[edit(
            INSTRUCTIONS,
            Some("pcistb_service_call"),
            How::Instead,
            "MO_64, MEMTXATTRS_UNSPECIFIED",
            "MO_64 | MO_BE,\n                                              MEMTXATTRS_UNSPECIFIED",
        )],
    },
    Change {
        subject: "s390x/pci: Refuse accesses to a BAR that does not exist",
        reason: "\
PCISTB, PCISTG and PCILG look the BAR's memory region up without a check.
If the function has no such BAR, QEMU follows a null pointer, so a guest
can end its QEMU. The instructions end in an operand exception then, as
for a place outside the BAR. QEMU 11.1 checks it in s390_get_subregion(),
and is not changed by this.",
        files: &[],
        edits: &[
            edit(
                INSTRUCTIONS,
                Some("zpci_read_bar"),
                How::Before,
                "s390_get_subregion",
                "    if (!mr) {\n        return MEMTX_DECODE_ERROR;\n    }",
            ),
            edit(
                INSTRUCTIONS,
                Some("zpci_write_bar"),
                How::Before,
                "s390_get_subregion",
                "    if (!mr) {\n        return MEMTX_DECODE_ERROR;\n    }",
            ),
            edit(
                INSTRUCTIONS,
                Some("pcistb_service_call"),
                How::Before,
                "s390_get_subregion",
                "    if (!mr) {\n        s390_program_interrupt(env, PGM_OPERAND, ra);\n        return 0;\n    }",
            ),
        ],
    },
    Change {
        subject: "s390x/pci: Refuse a block store that is longer than the buffer",
        reason: "\
PCISTB reads the block into a buffer of 128 bytes and takes its limit from
the function's group. If the group's limit is greater, as that of an ISM
function is, a guest writes up to 4096 bytes over QEMU's stack. End a
longer store in an operand exception.",
        files: &[],
        edits: &[edit(
            INSTRUCTIONS,
            Some("pcistb_service_call"),
            How::Before,
            "s390_get_subregion",
            "    if (len > sizeof(buffer)) {\n        s390_program_interrupt(env, PGM_OPERAND, ra);\n        return 0;\n    }",
        )],
    },
    Change {
        subject: "vfio-user: Remove the MSI-X pending bits while their BAR is there",
        reason: "\
The region of a function's MSI-X pending bits is taken out of its BAR when
the device object is finalized. The regions are children of the device and
were finalized before that, so hot-unplug of a function with MSI-X can
abort QEMU. Take it out when the device is unrealized, and free it when it
is finalized.",
        files: &[],
        edits: &[
            edit(
                VFIO_USER,
                Some("vfio_user_msix_teardown"),
                How::InsteadOfLine,
                "g_free(vdev->msix->pba_region)",
                "",
            ),
            edit(
                VFIO_USER,
                Some("vfio_user_msix_teardown"),
                How::InsteadOfLine,
                "pba_region = NULL",
                "",
            ),
            edit(
                VFIO_USER,
                Some("vfio_user_pci_finalize"),
                How::Instead,
                "vfio_user_msix_teardown(vdev)",
                "g_clear_pointer(&vdev->msix->pba_region, g_free)",
            ),
            edit(
                VFIO_USER,
                Some("vfio_user_pci_class_init"),
                How::Before,
                "vfio_user_pci_class_init",
                "\
static void vfio_user_pci_exit(PCIDevice *pdev)
{
    VFIOPCIDevice *vdev = VFIO_PCI_DEVICE(pdev);
    PCIDeviceClass *base =
        PCI_DEVICE_CLASS(object_class_by_name(TYPE_VFIO_PCI_DEVICE));

    if (vdev->msix != NULL) {
        vfio_user_msix_teardown(vdev);
    }
    base->exit(pdev);
}

",
            ),
            edit(
                VFIO_USER,
                Some("vfio_user_pci_class_init"),
                How::Behind,
                "vfio_user_pci_realize",
                "    pdc->exit = vfio_user_pci_exit;",
            ),
        ],
    },
    Change {
        subject: "s390x/pci: Hand zPCI accesses of vfio-user functions over whole",
        reason: "\
QEMU treats a vfio-user function as an emulated one: a PCISTB becomes
writes of 8 bytes in the host's byte order, its length is limited to 128
bytes, and CLP says nothing of the function. ISM functions need each block
store as one.

For vfio-user functions, take maximum length, alignment rule, PCHID,
function type, utility string and internal path from the capabilities of
DEVICE_GET_INFO. Hand each PCISTB to the server whole: through the zPCI
I/O region if the server offers it, else as one BAR write. The zpci
device's property \"stores\" chooses. PCILG and PCISTG of 3, 5, 6 and 7
bytes move all their bytes. A function with MSI needs no MSI-X.

A store to the region waits for its answer, so that a refusal reaches the
guest. Stores of ISM functions that will succeed are posted instead, as
those to hardware are: the server has accepted one to the same target, and
there was no command since. The property \"posted\" turns that off.",
        files: &[
            (
                "hw/s390x/s390-pci-vfio-user.c",
                include_str!("../tree/hw/s390x/s390-pci-vfio-user.c"),
            ),
            (
                "hw/s390x/s390-pci-vfio-user-stub.c",
                include_str!("../tree/hw/s390x/s390-pci-vfio-user-stub.c"),
            ),
            (
                "include/hw/s390x/s390-pci-vfio-user.h",
                include_str!("../tree/include/hw/s390x/s390-pci-vfio-user.h"),
            ),
            (
                "include/hw/s390x/vfio-user-ism.h",
                include_str!("../../contract/vfio-user-ism.h"),
            ),
        ],
        edits: &[
            edit(
                "hw/s390x/meson.build",
                None,
                How::Behind,
                "s390-pci-vfio.c",
                "\
s390x_ss.add(when: 'CONFIG_VFIO_USER',
             if_true: files('s390-pci-vfio-user.c'),
             if_false: files('s390-pci-vfio-user-stub.c'))",
            ),
            edit(
                "include/hw/s390x/s390-pci-bus.h",
                None,
                How::Before,
                "struct S390PCIBusDevice {",
                "#include \"hw/s390x/s390-pci-vfio-user.h\"\n\n",
            ),
            edit(
                "include/hw/s390x/s390-pci-bus.h",
                Some("struct S390PCIBusDevice"),
                How::Behind,
                "msix_notify_mr",
                "    S390PCIVfioUser vfio_user;",
            ),
            edit(
                BUS,
                Some("s390_pci_device_properties"),
                How::Behind,
                "S390PCIBusDevice, target",
                "    DEFINE_PROP_STRING(\"stores\", S390PCIBusDevice, vfio_user.stores),\n    DEFINE_PROP_BOOL(\"posted\", S390PCIBusDevice, vfio_user.posted, true),",
            ),
            edit(
                BUS,
                Some("s390_pci_device_reset"),
                How::Before,
                "switch",
                "    s390_pci_vfio_user_forget(pbdev);",
            ),
            edit(
                BUS,
                Some("s390_pcihost_plug"),
                How::Before,
                "s390_pci_msix_init",
                "        if (!s390_pci_vfio_user_plug(s, pbdev, errp)) {\n            return;\n        }",
            ),
            edit(
                BUS,
                Some("s390_pcihost_plug"),
                How::Instead,
                "s390_pci_msix_init(pbdev)",
                "s390_pci_msix_init(pbdev) &&\n            s390_pci_vfio_user_msi_init(pbdev, &s390_msi_ctrl_ops)",
            ),
            edit(
                INSTRUCTIONS,
                Some("zpci_read_bar"),
                How::Before,
                "io_regions",
                "    if (s390_pci_vfio_user_takes_length(pbdev, pcias, len)) {
        return s390_pci_vfio_user_load(pbdev, pcias, offset, data, len);
    }",
            ),
            edit(
                INSTRUCTIONS,
                Some("zpci_write_bar"),
                How::Before,
                "io_regions",
                "    s390_pci_vfio_user_forget(pbdev);
    if (s390_pci_vfio_user_takes_length(pbdev, pcias, len)) {
        return s390_pci_vfio_user_store(pbdev, pcias, offset, data, len);
    }",
            ),
            edit(
                INSTRUCTIONS,
                Some("pcistb_service_call"),
                How::BehindBlock,
                "pcias > ZPCI_IO_BAR_MAX",
                "
    if (s390_pci_vfio_user_takes_block(pbdev, pcias)) {
        return s390_pci_vfio_user_store_block(cpu, pbdev, r1, pcias, offset,
                                              len, gaddr, ar, ra);
    }",
            ),
        ],
    },
];
