//! Rules about target and order of data moves.

use super::Text;

pub(crate) const UNKNOWN_DMB: Text = Text {
    title: "a data store whose token names no DMB",
    reason: "The upper half of the offset is the token of a registered DMB. Without a DMB there \
        is no memory to store into, so the store always fails. This includes stores after \
        the owner has unregistered the DMB.",
    source: "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/dibs/dibs_loopback.c",
};

pub(crate) const ADDRESS_AS_TOKEN: Text = Text {
    title: "the address of a DMB used as its token",
    reason: "A data store and UNREG_DMB name a DMB by its token. The driver keeps address and \
        token in one union, so a REG_DMB response that is too short, or that another \
        processor reads, leaves the address there. The rule reports a token that is the \
        address of a registered DMB, SBA or event queue. Such a data store breaks \
        unknown-dmb too.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const OUTSIDE_DMB: Text = Text {
    title: "a data store that runs past the end of its DMB",
    reason: "The offset in a data store is an offset in the DMB, and all of its bytes must lie \
        inside. Otherwise it would overwrite foreign memory, so it always fails.",
    source: "Linux 6.12 drivers/s390/net/ism.h; Linux 7.2 drivers/dibs/dibs_loopback.c",
};

pub(crate) const NOT_PERMITTED_BY_RGID: Text = Text {
    title: "a data store by a function that the DMB's owner did not admit",
    reason: "The owner registers a DMB for one remote GID. A store by any other function always \
        fails.",
    source: "Linux 7.2 include/linux/dibs.h",
};

pub(crate) const ELEMENT_INDEX_TOO_HIGH: Text = Text {
    title: "an element index above 15",
    reason: "The receiver learns the element from a 16-bit mask in the SBA, so an index above 15 \
        has no bit. SMC-D uses 0 only.",
    source: "Linux 6.12 drivers/s390/net/ism.h (derived)",
};

pub(crate) const DATA_AFTER_SIGNAL: Text = Text {
    title: "a piece of a move that arrived after the store with its signal flag",
    reason: "The signal tells the receiver that the move is complete, so it belongs to the last \
        piece. The receiver can miss a piece that follows it.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const DESCENDING_PIECES: Text = Text {
    title: "pieces of a move that do not ascend",
    reason: "The driver stores a move that spans several pages from its lowest byte to its \
        highest. Receivers and reviewers of intercepted traffic may rely on it.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const SIGNAL_WITHOUT_SBA: Text = Text {
    title: "a signal to a DMB whose owner has no SBA",
    reason: "The signal is a bit in the owner's summary page. Without a registered page the \
        signal is lost.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c (derived)",
};

pub(crate) const MOVE_CROSSES_PAGE: Text = Text {
    title: "a data store that crosses a 4 KiB page of its DMB",
    reason: "The driver ends every piece of a move at the next 4 KiB boundary of the DMB, because \
        one store block must not cross it.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};
