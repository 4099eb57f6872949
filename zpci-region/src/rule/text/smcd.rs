//! Rules about the bytes that SMC-D puts into a DMB.

use super::Text;

pub(crate) const CDC_NOT_A_MESSAGE: Text = Text {
    title: "an SMC-D signal store that is no CDC message",
    reason: "In SMC-D every store with the signal flag is the 32-byte CDC message at the start of \
        the DMB. Its first byte is 0xFE. Bytes 1 to 7 and 24 to 31 are zero: a message of \
        SMC-D has no length, token or sequence number there.",
    source: "Linux 6.12 net/smc/smc_cdc.c; Linux 6.12 net/smc/smc_cdc.h",
};

pub(crate) const CDC_DATA_BELOW_RING: Text = Text {
    title: "SMC-D data stored below offset 32",
    reason: "The first 32 bytes of a DMB hold the CDC message, and the ring of data follows. Data \
        below 32 overwrites cursors.",
    source: "Linux 6.12 net/smc/smc_tx.c",
};

pub(crate) const CDC_PRODUCER_MISMATCH: Text = Text {
    title: "a producer cursor that did not move by the number of stored bytes",
    reason: "A CDC message that advances the producer cursor promises data: all bytes of the ring \
        between the old and the new cursor were stored since the last message. The cursor \
        stays below the size of the ring and advances by one round at most.",
    source: "Linux 6.12 net/smc/smc_tx.c",
};

pub(crate) const CDC_RING_OVERRUN: Text = Text {
    title: "a producer cursor more than one ring ahead of the consumer",
    reason: "The sender may fill the ring up to the consumer cursor that the receiver announced, \
        and no further. Otherwise it overwrites bytes that the receiver has not read. The \
        device does not know which two DMBs make a connection, so the rule compares with the \
        consumer cursors of all DMBs in the other direction and reports only what fits none \
        of them.",
    source: "Linux 6.12 net/smc/smc_tx.c",
};

pub(crate) const CDC_CURSOR_BACKWARDS: Text = Text {
    title: "an SMC-D cursor that ran backwards",
    reason: "Cursors count bytes in the ring and its rounds. They only advance while a connection \
        lasts.",
    source: "Linux 6.12 net/smc/smc_cdc.c; Linux 6.12 net/smc/smc_cdc.h",
};

pub(crate) const CDC_CONSUMER_OUTSIDE: Text = Text {
    title: "a consumer cursor outside every ring of its sender",
    reason: "The consumer cursor is a position in the sender's own DMB, so its count stays below \
        the size of that ring. The device does not know which DMB it is, so the rule \
        compares with the largest one that the sender has registered for this receiver.",
    source: "Linux 6.12 net/smc/smc_cdc.c; Linux 6.12 net/smc/smc_cdc.h; Linux 6.12 \
        net/smc/smc_rx.c",
};

pub(crate) const CDC_CONSUMER_AHEAD: Text = Text {
    title: "a consumer cursor ahead of everything that was produced",
    reason: "Nobody can read bytes that were not announced yet. The device does not know which \
        two DMBs make a connection, so the rule compares with the producer cursors of all \
        DMBs in the other direction and reports only what is ahead of all of them.",
    source: "Linux 6.12 net/smc/smc_rx.c",
};

pub(crate) const CDC_CONSUMER_JUMP: Text = Text {
    title: "a consumer cursor that moved by more than one round between two messages",
    reason: "The peer never has more than one ring of unconfirmed data under way, so between two \
        messages the consumer advances by one ring at most: the wrap count grows by one at \
        most, and then the count does not grow.",
    source: "Linux 6.12 net/smc/smc_tx.c; Linux 6.12 net/smc/smc_rx.c",
};

pub(crate) const CDC_FLAGS_IN_PRODUCER: Text = Text {
    title: "flags in the producer cursor of a CDC message",
    reason: "Both cursors of a message have room for flags, but only those of the consumer cursor \
        count. The receiver does not read bytes 14 and 15, so flags there are lost. Linux \
        leaves them zero.",
    source: "Linux 6.12 net/smc/smc_cdc.c; Linux 6.12 net/smc/smc_cdc.h",
};

pub(crate) const CDC_UNKNOWN_FLAGS: Text = Text {
    title: "flags that SMC-D does not have",
    reason: "Of the producer flags (byte 22), SMC-D has 0x80 write blocked, 0x40 urgent data \
        pending, 0x20 urgent data present and 0x10 consumer cursor update requested. 0x08 is \
        failover validation, which only SMC-R has. Of the connection state flags (byte 23), \
        it has 0x80 done writing, 0x40 closed and 0x20 abort.",
    source: "Linux 6.12 net/smc/smc_cdc.h",
};

pub(crate) const CDC_FLAG_IMPLAUSIBLE: Text = Text {
    title: "write blocked or update requested without data that explains it",
    reason: "A sender becomes write blocked by a send that fills the rest of the ring, so the \
        message that sets the flag also moves the producer cursor. An abort is exempt, \
        because a failed send leaves the flag set. A request for a consumer cursor update \
        makes no sense before anything was sent.",
    source: "Linux 6.12 net/smc/smc_tx.c",
};

pub(crate) const CDC_URGENT_MISMATCH: Text = Text {
    title: "urgent flags that do not fit the data sent",
    reason: "The urgent byte is the last one before the producer cursor. The message with the \
        flag urgent data present therefore moves the producer cursor. It also has the flag \
        urgent data pending, which a sender clears only after that message.",
    source: "Linux 6.12 net/smc/smc_tx.c; Linux 6.12 net/smc/smc_cdc.c",
};

pub(crate) const CDC_STATE_CLEARED: Text = Text {
    title: "the flag done writing cleared after it was set",
    reason: "A sender that is done writing stays so until the connection ends. A message without \
        the flag, from a sender that has set it and has not started a new connection, \
        contradicts it.",
    source: "Linux 6.12 net/smc/smc_close.c",
};

pub(crate) const CDC_DATA_AFTER_DONE: Text = Text {
    title: "SMC-D data stored after the sender was done writing",
    reason: "The sender sets the flag done writing when its application has shut down writing and \
        all data is sent. The receiver's application may already have seen the end of the \
        stream.",
    source: "Linux 6.12 net/smc/smc_close.c",
};

pub(crate) const CDC_DATA_AFTER_ABORT: Text = Text {
    title: "SMC-D data stored after the sender had aborted or closed",
    reason: "After a message with the abort or the closed flag the connection has ended in this \
        direction. The receiver may use the memory for another connection.",
    source: "Linux 6.12 net/smc/smc_cdc.c (derived)",
};
