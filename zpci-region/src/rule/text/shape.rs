//! Rules about the shape of one access, or of a run of pieces.

use super::Text;

pub(crate) const SPLIT_BLOCK_STORE: Text = Text {
    title: "a block store arrived cut into pieces",
    reason: "A PCISTB is one unit: the function sees all its bytes at once. A store with the \
        signal flag notifies the receiver as soon as it arrives. If the store is cut, its \
        first piece rings the doorbell or raises the signal while the rest is missing. The \
        rule looks for a run of two or more stores of 1, 2, 4 or 8 bytes. The stores of a \
        run ascend without gaps, stay in one 4 KiB page and fit into the maximum store block \
        length, so one PCISTB would have carried them. Each run is reported once, when it \
        ends. Two small stores that a guest really issued back to back into neighbouring \
        bytes look the same and are reported too. Through the zPCI I/O region the client \
        names each instruction, so a run there is a note at most and is never refused.",
    source: "requirement stated in the kernel patch series zPCI I/O region, Jan 2021 v1; one \
        write is one PCISTB: Linux 7.2 drivers/vfio/pci/ism/main.c",
};

pub(crate) const LENGTH_OVER_MAX: Text = Text {
    title: "a store longer than the maximum store block length",
    reason: "CLP and the header of the zPCI I/O region report how many bytes one PCISTB may carry. \
        A guest cannot issue a longer one, so the store always fails.",
    source: "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO); Linux 7.2 \
        drivers/vfio/pci/ism/main.c",
};

pub(crate) const STRICT_LENGTH: Text = Text {
    title: "a store length that a function without relaxed rules does not accept",
    reason: "Without the relaxed bit of its group, a function takes whole doublewords only. \
        QEMU's interception wants more than 8 bytes. This rule accepts exactly 8, because \
        every ISM command header is a store of 8 bytes, and a function that refused it could \
        not be used at all.",
    source: "Linux commit 80df7d6a; QEMU 10.0 hw/s390x/s390-pci-inst.c",
};

pub(crate) const STRICT_ALIGNMENT: Text = Text {
    title: "a store whose offset or source is not doubleword aligned",
    reason: "Without the relaxed bit of its group, a function wants the offset in PCI space and \
        the address of the source to be multiples of 8.",
    source: "Linux commit 80df7d6a; QEMU 10.0 hw/s390x/s390-pci-inst.c",
};

pub(crate) const CROSSES_4K: Text = Text {
    title: "a store that crosses a 4 KiB boundary of PCI space",
    reason: "The destination of one PCISTB lies in one 4 KiB page of the address space. The \
        relaxed bit does not lift this. The Linux driver ends every piece of a move at the \
        boundary.",
    source: "Linux commit 80df7d6a; Linux 7.2 drivers/vfio/pci/ism/main.c; Linux 6.12 \
        drivers/s390/net/ism_drv.c",
};

pub(crate) const OUTSIDE_BAR: Text = Text {
    title: "an access outside its BAR, or to a BAR that does not exist",
    reason: "The instruction names an address space and an offset in it. If the function does not \
        have the address space, or the BAR ends before the last byte, the instruction ends \
        in a condition code or a program exception. The access always fails.",
    source: "QEMU 10.0 hw/s390x/s390-pci-inst.c",
};

pub(crate) const PLAIN_STORE: Text = Text {
    title: "a store of 1, 2 or 4 bytes, or a PCISTG, where ISM takes block stores",
    reason: "ISM's data space never takes PCISTG. Its command space takes PCISTG only in a way \
        that no public document describes. In the command space, a BAR write of 1, 2 or 4 bytes \
        counts as such a store, because commands and payloads consist of doublewords. In the data \
        space it counts unless the function is relaxed and the profile expects BAR writes to be \
        block stores: then a short write is the tail of a move, stored by one PCISTB. A request that \
        names PCISTG for the command space breaks the rule at any length.",
    source: "kernel and QEMU list discussion of the zPCI I/O region, Dec 2020 to Jan 2021",
};

pub(crate) const PCISTG_TO_DATA_BAR: Text = Text {
    title: "a PCISTG to the data space",
    reason: "ISM's data space takes PCISTB only. A PCISTG there is never carried out, so it \
        always fails. Only a request that names the instruction can break this rule.",
    source: "kernel and QEMU list discussion of the zPCI I/O region, Dec 2020 to Jan 2021",
};

pub(crate) const NOT_LEGACY_PATH: Text = Text {
    title: "a BAR write where the profile expects the zPCI I/O region",
    reason: "A profile with only the region contract expects one request through the zPCI I/O \
        region for each PCISTB. Such a request names instruction, length and address space. A BAR \
        write names none of them.",
    source: "kernel patch series zPCI I/O region, Jan 2021 v1",
};

pub(crate) const GADDR_MISALIGNED: Text = Text {
    title: "the caller's buffer is not doubleword aligned",
    reason: "A request's gaddr is a multiple of 8, for stores, for loads and for relaxed \
        functions too. The rule applies only if gaddr carries the bytes. A request with its \
        payload appended does not use gaddr.",
    source: "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)",
};

pub(crate) const GADDR_CROSSES_PAGE: Text = Text {
    title: "the caller's buffer crosses a 4 KiB page",
    reason: "A request reaches one page of the caller, so the buffer at gaddr must not run into \
        the next one. A load writes 8 bytes there whatever its length. The rule applies only \
        if gaddr carries the bytes.",
    source: "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)",
};

pub(crate) const LOAD_TOO_LONG: Text = Text {
    title: "a region load of more than 8 bytes",
    reason: "PCILG loads a register, so a request for more than 8 bytes cannot be carried out. A \
        long read of a BAR breaks no rule: the server cuts it into naturally aligned loads.",
    source: "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)",
};

pub(crate) const LOAD_CROSSES_8: Text = Text {
    title: "a region load that crosses a doubleword",
    reason: "PCILG reads bytes of one doubleword of the BAR. QEMU answers one that crosses the \
        boundary with an operand exception. A read of a BAR does not name the instruction, \
        so the server cuts it at the boundary instead.",
    source: "QEMU 10.0 hw/s390x/s390-pci-inst.c",
};

pub(crate) const LOAD_FROM_DATA_BAR: Text = Text {
    title: "a load from the data space",
    reason: "Drivers only write the data space and never load from it. No source forbids it, so \
        this is a note by default.",
    source: "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/vfio/pci/ism/main.c",
};

pub(crate) const ODD_COMMAND_LOAD: Text = Text {
    title: "a load from the command space that is not made of aligned doublewords",
    reason: "The driver reads responses in aligned doublewords only. Shorter loads are valid in \
        theory, but no driver uses them.",
    source: "Linux 6.12 drivers/s390/net/ism.h; list discussion of the zPCI I/O region, Dec 2020",
};
