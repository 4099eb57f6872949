//! The catalogue: id, group, default severity, reason and source of every rule.

use super::group::Group;
use super::severity::Severity;

/// What is told of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Stable kebab-case id.
    pub id: &'static str,
    /// Its family.
    pub group: Group,
    /// Severity unless a profile says otherwise.
    pub default: Severity,
    /// Whether an access that breaks the rule cannot be carried out, so that it fails even when the
    /// severity is below [`Severity::Reject`]. Such an access is refused when the rule is off, too;
    /// it is then not recorded.
    pub always_fails: bool,
    /// One line for lists.
    pub title: &'static str,
    /// Why, in a paragraph.
    pub reason: &'static str,
    /// Where the reason comes from.
    pub source: &'static str,
}

/// `fails`: cannot be carried out whatever the severity. `runs`: the severity decides.
macro_rules! always_fails {
    (fails) => {
        true
    };
    (runs) => {
        false
    };
}

macro_rules! catalogue {
    ($($rule:ident $id:literal $group:ident $default:ident $outcome:ident { $title:literal, $reason:literal, $source:literal })*) => {
        /// The name of a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each rule is documented by its catalogue entry")]
        pub enum Rule { $($rule),* }

        impl Rule {
            /// Number of rules.
            pub const COUNT: usize = [$(Rule::$rule),*].len();
        }

        /// Every rule, in the order of [`Rule`].
        pub static CATALOGUE: [RuleInfo; Rule::COUNT] = [$(RuleInfo {
            rule: Rule::$rule, id: $id, group: Group::$group, default: Severity::$default,
            always_fails: always_fails!($outcome),
            title: $title, reason: $reason, source: $source,
        }),*];
    };
}

catalogue! {
    SplitBlockStore "split-block-store" Shape Warn runs {
        "a block store arrived cut into pieces",
        "A PCISTB is one unit: the function sees all its bytes at once, and with the signal \
            flag it notifies the receiver as soon as the store arrives. Cut into pieces, the \
            first piece already rings the doorbell or raises the signal while the rest is still \
            missing. The rule looks for a run of two or more ascending, contiguous stores of 1, \
            2, 4 or 8 bytes that stay in one 4 KiB page and within the maximum store block \
            length, which one PCISTB would have carried, and reports each run once, when it \
            ends. Two small stores that a guest really issued back to back into neighbouring \
            bytes look the same and are reported too. Through the zPCI I/O region, where the \
            client names each instruction, such a run is a note at most and is never refused.",
        "requirement stated in the kernel patch series zPCI I/O region, Jan 2021 v1; one \
            write is one PCISTB: Linux 7.2 drivers/vfio/pci/ism/main.c"
    }
    LengthOverMax "length-over-max" Shape Reject fails {
        "a store longer than the maximum store block length",
        "The function tells, through CLP and through the header of the zPCI I/O region, how \
            many bytes one PCISTB may carry. A longer one cannot be issued, so it always fails.",
        "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO); Linux 7.2 \
            drivers/vfio/pci/ism/main.c"
    }
    StrictLength "strict-length" Shape Reject runs {
        "a store length that a function without relaxed rules does not take",
        "Unless its group has the relaxed bit, PCISTB takes whole doublewords only. A length \
            of exactly 8 is accepted here although QEMU's interception wants more than 8, \
            because every ISM command header is a store of 8 bytes and a function that refused \
            them could not be used at all.",
        "Linux commit 80df7d6a; QEMU 10.0 hw/s390x/s390-pci-inst.c"
    }
    StrictAlignment "strict-alignment" Shape Reject runs {
        "a store whose offset or source is not doubleword aligned",
        "Unless its group has the relaxed bit, PCISTB wants the offset in PCI space and the \
            address of the source to be multiples of 8.",
        "Linux commit 80df7d6a; QEMU 10.0 hw/s390x/s390-pci-inst.c"
    }
    Crosses4k "crosses-4k" Shape Reject runs {
        "a store that crosses a 4 KiB boundary of PCI space",
        "The destination of one PCISTB lies in one 4 KiB page of the address space. The \
            relaxed bit does not lift this; the Linux driver ends every piece of a move at the \
            boundary.",
        "Linux commit 80df7d6a; Linux 7.2 drivers/vfio/pci/ism/main.c; Linux 6.12 \
            drivers/s390/net/ism_drv.c"
    }
    OutsideBar "outside-bar" Shape Reject fails {
        "an access outside its BAR, or to a BAR that does not exist",
        "The instruction names an address space and an offset in it. An address space the \
            function does not have, or bytes behind the end of the BAR, end in a condition code \
            or a program exception, so the access always fails.",
        "QEMU 10.0 hw/s390x/s390-pci-inst.c"
    }
    PlainStore "plain-store" Shape Warn runs {
        "a store of 1, 2 or 4 bytes, or a PCISTG, where ISM takes block stores",
        "ISM's data space never takes PCISTG, and its command space only in a manner nobody \
            documented. A BAR write of 1, 2 or 4 bytes to the command space is such a store, as \
            every command and payload is made of doublewords. To the data space it is one unless \
            the function is relaxed and the profile expects BAR writes to be block stores: then \
            a short write is the tail of a move, stored by one PCISTB. A request that names \
            PCISTG is one to the command space, whatever its length.",
        "kernel and QEMU list discussion of the zPCI I/O region, Dec 2020 to Jan 2021"
    }
    PcistgToDataBar "pcistg-to-data-bar" Shape Reject fails {
        "a PCISTG to the data space",
        "ISM's data space takes PCISTB only; a PCISTG there is never carried out, so it always \
            fails. Only a request that names the instruction can break this rule.",
        "kernel and QEMU list discussion of the zPCI I/O region, Dec 2020 to Jan 2021"
    }
    NotLegacyPath "not-legacy-path" Shape Warn runs {
        "a BAR write where the profile expects the zPCI I/O region",
        "A profile that names only the region contract expects each PCISTB as one request \
            through the zPCI I/O region, where the client tells instruction, length and address \
            space. A BAR write tells none of this.",
        "kernel patch series zPCI I/O region, Jan 2021 v1"
    }
    GaddrMisaligned "gaddr-misaligned" Shape Reject runs {
        "the caller's buffer is not doubleword aligned",
        "A request's gaddr must be a multiple of 8, for stores and loads and for relaxed \
            functions too. It is judged only when the bytes are carried through gaddr; with the \
            payload appended to the request it is not used.",
        "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)"
    }
    GaddrCrossesPage "gaddr-crosses-page" Shape Reject runs {
        "the caller's buffer crosses a 4 KiB page",
        "One page of the caller is reachable for a request, so the buffer at gaddr must not \
            run into the next one. A load writes 8 bytes there whatever its length. It is judged \
            only when the bytes are carried through gaddr.",
        "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)"
    }
    LoadTooLong "load-too-long" Shape Reject fails {
        "a region load of more than 8 bytes",
        "PCILG loads a register, so a request for more than 8 bytes cannot be carried out. \
            Long reads of a BAR are no violation: they are cut into naturally aligned loads.",
        "kernel patch series zPCI I/O region, Jan 2021 v1 (EIO)"
    }
    LoadCrosses8 "load-crosses-8" Shape Reject runs {
        "a region load that crosses a doubleword",
        "PCILG reads bytes of one doubleword of the BAR; QEMU answers one that crosses the \
            boundary with an operand exception. A read of a BAR does not name the instruction \
            and is cut at the boundary instead.",
        "QEMU 10.0 hw/s390x/s390-pci-inst.c"
    }
    LoadFromDataBar "load-from-data-bar" Shape Note runs {
        "a load from the data space",
        "The data space is written only: no driver loads from it. Nothing says that it is \
            forbidden, so this is a note by default.",
        "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/vfio/pci/ism/main.c"
    }
    OddCommandLoad "odd-command-load" Shape Note runs {
        "a load from the command space that is not made of aligned doublewords",
        "The driver reads responses in aligned doublewords only. Shorter loads are valid in \
            theory and unused in practice.",
        "Linux 6.12 drivers/s390/net/ism.h; list discussion of the zPCI I/O region, Dec 2020"
    }
    HeaderWithoutPayload "header-without-payload" Command Warn runs {
        "a command header that announces more payload than was stored",
        "The header's length counts its own 8 bytes and the payload. Storing the header \
            starts the command, so all of its payload has to be there before.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    PayloadGap "payload-gap" Command Warn runs {
        "bytes of a command's payload were never stored",
        "The payload stands at offset 8 without holes. A hole would be filled with bytes of \
            an earlier command.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    PayloadAfterHeader "payload-after-header" Command Warn runs {
        "payload stored after the header that uses it",
        "The header is the doorbell: the command runs when it is stored, and payload that \
            arrives later is not part of it.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    TornHeader "torn-header" Command Warn runs {
        "a command header stored in more than one piece",
        "The 8-byte header at offset 0 is one store. In pieces, the command would start with \
            a length or a code that is not yet there.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    HeaderNotAlone "header-not-alone" Command Warn runs {
        "a store that covers the header and more",
        "The driver stores the payload first and the header, exactly 8 bytes, by itself. One \
            store over both leaves open which of them the function sees first.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    CommandOverlap "command-overlap" Command Warn runs {
        "a new command before the response of the last one was read",
        "There is one command window, and the driver holds a lock from the payload to the \
            last load of the response. A new payload or header overwrites a response nobody has \
            seen.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    ResponseBeforeCommand "response-before-command" Command Warn runs {
        "a load of a response although no command ran",
        "The response exists once a header has been stored. A load before it returns what an \
            earlier command left, or nothing.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    ResponseOverread "response-overread" Command Note runs {
        "a load behind the end of the response",
        "The response header tells its length. What lies behind it is not part of this \
            response.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    UnknownCommand "unknown-command" Command Warn runs {
        "a command code that ISM does not have",
        "Fourteen codes are known. Another one gets an error response.",
        "Linux 6.12 drivers/s390/net/ism.h"
    }
    BadCommandLength "bad-command-length" Command Warn runs {
        "a command header whose length is not the command's",
        "Every command has one length, header included. Another one means that sender and \
            function do not agree on the layout; the command gets an error response.",
        "Linux 6.12 drivers/s390/net/ism.h"
    }
    ReservedNotZero "reserved-not-zero" Command Note runs {
        "reserved bytes of a command header that are not zero",
        "Bytes 4 and 5 of a request header are reserved, and the driver clears the request \
            before it fills it in.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    RegisterOrder "register-order" Command Warn runs {
        "a registration before the one it builds on",
        "The driver registers the SBA, then the event queue, then DMBs: an event queue \
            without summary bits, or a DMB without a signal bit, could never be noticed.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    BadSbaIndex "bad-sba-index" Command Warn runs {
        "a DMB index outside 32..1919, or already in use",
        "The index selects the DMB's bit and mask in the SBA. The driver uses 32 to 1919, \
            each for one DMB at a time; two DMBs with one index could not be told apart.",
        "Linux 6.12 drivers/s390/net/ism.h; Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    BadDmbMemory "bad-dmb-memory" Command Warn runs {
        "memory that does not do for a DMB",
        "A DMB is page-aligned memory of 1 byte to 1 MiB that does not cross a 1 MiB \
            boundary: that is the segment size and boundary mask the driver sets for the device.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    QueueMisaligned "queue-misaligned" Command Warn runs {
        "an SBA or event queue that is not page aligned, or an event queue that is not 512 \
            bytes long",
        "Summary bits and event queue are one 4 KiB page each, and the driver registers 512 \
            bytes of event queue: a header and 15 entries.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    UnregisterNotOwned "unregister-not-owned" Command Warn runs {
        "a DMB token to be unregistered that this function does not own",
        "Only the function that registered a DMB holds its memory. A token of another \
            function, or one that was already given back, points to a mix-up of tokens.",
        "Linux 6.12 drivers/s390/net/ism_drv.c (derived)"
    }
    UnknownDmb "unknown-dmb" Data Warn fails {
        "a data store whose token names no DMB",
        "The upper half of the offset is the token of a registered DMB. Without one there is \
            no memory to store into, so the store always fails; that includes stores after the \
            owner has unregistered the DMB.",
        "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/dibs/dibs_loopback.c"
    }
    OutsideDmb "outside-dmb" Data Warn fails {
        "a data store that runs past the end of its DMB",
        "The offset in a data store is an offset in the DMB, and all of its bytes have to lie \
            inside. Otherwise it would overwrite foreign memory, so it always fails.",
        "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/dibs/dibs_loopback.c"
    }
    NotPermittedByRgid "not-permitted-by-rgid" Data Warn fails {
        "a data store by a function that the DMB's owner did not admit",
        "The owner registers a DMB for one remote GID. A store by any other function always \
            fails.",
        "Linux 7.2 include/linux/dibs.h"
    }
    ElementIndexTooHigh "element-index-too-high" Data Warn runs {
        "an element index above 15",
        "The receiver learns the element from a 16-bit mask in the SBA, so an index above 15 \
            has no bit. SMC-D uses 0 only.",
        "Linux 6.12 drivers/s390/net/ism.h (derived)"
    }
    DataAfterSignal "data-after-signal" Data Warn runs {
        "a piece of a move that arrived after the store with its signal flag",
        "The signal tells the receiver that the move is complete, so it belongs to the last \
            piece. A piece that follows it can be missed.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    DescendingPieces "descending-pieces" Data Warn runs {
        "pieces of a move that do not ascend",
        "A move that spans several pages is stored from its lowest byte to its highest. \
            Receivers and reviewers of intercepted traffic may rely on it.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    SignalWithoutSba "signal-without-sba" Data Warn runs {
        "a signal to a DMB whose owner has no SBA",
        "The signal is a bit in the owner's summary page. Without a registered page it is \
            lost.",
        "Linux 6.12 drivers/s390/net/ism_drv.c (derived)"
    }
    MoveCrossesPage "move-crosses-page" Data Warn runs {
        "a data store that crosses a 4 KiB page of its DMB",
        "The driver ends every piece of a move at the next 4 KiB boundary of the DMB, as one \
            store block must not cross it.",
        "Linux 6.12 drivers/s390/net/ism_drv.c"
    }
    CdcNotAMessage "cdc-not-a-message" Smcd Off runs {
        "an SMC-D signal store that is no CDC message",
        "In SMC-D every store with the signal flag is the 32-byte CDC message at the start of \
            the DMB: first byte 0xFE, bytes 1 to 7 and 24 to 31 zero.",
        "Linux 6.12 net/smc/smc_cdc.c"
    }
    CdcDataBelowRing "cdc-data-below-ring" Smcd Off runs {
        "SMC-D data stored below offset 32",
        "The first 32 bytes of a DMB hold the CDC message and the ring of data follows. Data \
            below 32 overwrites cursors.",
        "Linux 6.12 net/smc/smc_tx.c"
    }
    CdcProducerMismatch "cdc-producer-mismatch" Smcd Off runs {
        "a producer cursor that moved by other than the bytes stored",
        "A CDC message that advances the producer cursor promises data: all bytes of the ring \
            between the old and the new cursor have to have been stored since the last message.",
        "Linux 6.12 net/smc/smc_tx.c"
    }
    CdcCursorBackwards "cdc-cursor-backwards" Smcd Off runs {
        "an SMC-D cursor that ran backwards",
        "Cursors count bytes in the ring and its wraps, and only ever advance while a \
            connection lasts.",
        "Linux 6.12 net/smc/smc_cdc.c; Linux 6.12 net/smc/smc_cdc.h"
    }
    CdcDataAfterAbort "cdc-data-after-abort" Smcd Off runs {
        "SMC-D data stored after the sender had aborted or closed",
        "After a message with the abort or the closed flag the connection has ended in this \
            direction, and the receiver may use the memory for another one.",
        "Linux 6.12 net/smc/smc_cdc.c (derived)"
    }
}

impl Rule {
    /// Position in the catalogue.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What is told of this rule.
    pub fn info(self) -> &'static RuleInfo {
        &CATALOGUE[self.index()]
    }

    /// Stable kebab-case id.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The rule of this id.
    pub fn from_id(id: &str) -> Option<Rule> {
        CATALOGUE
            .iter()
            .find(|info| info.id == id)
            .map(|info| info.rule)
    }

    /// Whether an access that breaks this rule fails whatever the severity.
    pub fn always_fails(self) -> bool {
        self.info().always_fails
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests;
