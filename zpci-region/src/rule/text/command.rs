//! Rules about the order and the operands of commands.

use super::Text;

pub(crate) const HEADER_WITHOUT_PAYLOAD: Text = Text {
    title: "a command header that announces more payload than was stored",
    reason: "The header's length counts its own 8 bytes and the payload. The store of the header \
        starts the command, so all of the payload must be there before it.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const PAYLOAD_GAP: Text = Text {
    title: "bytes of a command's payload were never stored",
    reason: "The payload starts at offset 8 and has no holes. A real function may fill a hole \
        with bytes of an earlier command.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const PAYLOAD_AFTER_HEADER: Text = Text {
    title: "payload stored after the header that uses it",
    reason: "The header is the doorbell: the command runs when the header is stored. Payload that \
        arrives later is not part of it.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const PAYLOAD_OVERWRITTEN: Text = Text {
    title: "a payload overwritten before its header came",
    reason: "Each payload belongs to the next header. If a second payload covers the first before \
        a header came, the first is lost and its header will run with the second. This \
        happens if two processors are in the driver's command function without a lock.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const PAYLOAD_MIXED: Text = Text {
    title: "a payload stored partly over another",
    reason: "A payload is stored once, in ascending order. If a store covers some bytes of a \
        payload and leaves others, the next header runs with a mix of two payloads. This \
        happens if two processors are in the driver's command function without a lock.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const TORN_HEADER: Text = Text {
    title: "a command header stored in more than one piece",
    reason: "The 8-byte header at offset 0 is one store. In pieces, the command would start with \
        a length or a code that is not complete.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const HEADER_NOT_ALONE: Text = Text {
    title: "a store that covers the header and more",
    reason: "The driver stores the payload first and then the header alone, exactly 8 bytes. If \
        one store covers both, nothing tells which part the function sees first.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const COMMAND_OVERLAP: Text = Text {
    title: "a new command before the response of the last one was read",
    reason: "There is one command window. The driver holds a lock from the payload to the last \
        load of the response. A payload or header that comes before the response's header \
        was loaded overwrites a response that nobody has seen.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const RESPONSE_HALF_READ: Text = Text {
    title: "a new command before the rest of the last response was read",
    reason: "A successful response is as long as its header says, and the driver loads all of it \
        before it lets go of the lock. If the next payload or header comes earlier, the rest \
        of the response is lost, and its reader gets bytes of another one: for REG_DMB, a \
        wrong token.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const RESPONSE_BEFORE_COMMAND: Text = Text {
    title: "a load of a response although no command ran",
    reason: "The response exists once a header has been stored. An earlier load returns what the \
        last command left, or nothing.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const RESPONSE_OVERREAD: Text = Text {
    title: "a load past the end of the response",
    reason: "The response header gives the length of the response. The bytes after it are not \
        part of the response.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const UNKNOWN_COMMAND: Text = Text {
    title: "a command code that ISM does not have",
    reason: "ISM has fourteen command codes. Any other code gets an error response.",
    source: "Linux 6.12 drivers/s390/net/ism.h",
};

pub(crate) const BAD_COMMAND_LENGTH: Text = Text {
    title: "a command with a length other than its code requires",
    reason: "Every command has one length, header included. If the header has another length, or \
        more payload was stored, then sender and function do not agree on the layout, or a \
        header met the payload of another command. A command whose header has a wrong length \
        gets an error response.",
    source: "Linux 6.12 drivers/s390/net/ism.h",
};

pub(crate) const RESERVED_NOT_ZERO: Text = Text {
    title: "reserved bytes of a command header that are not zero",
    reason: "Bytes 4 and 5 of a request header are reserved. The driver clears the request before \
        it fills it in.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const REGISTER_ORDER: Text = Text {
    title: "a registration before the one that it needs",
    reason: "The driver registers the SBA, then the event queue, then DMBs. Without summary bits \
        nobody notices an event, and without a signal bit nobody notices a store into a DMB.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const BAD_SBA_INDEX: Text = Text {
    title: "a DMB index outside 32..1919, or already in use",
    reason: "The index selects the DMB's bit and mask in the SBA. The driver uses 32 to 1919, \
        each for one DMB at a time. The owner could not tell two DMBs with one index apart.",
    source: "Linux 6.12 drivers/s390/net/ism.h; Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const BAD_DMB_MEMORY: Text = Text {
    title: "memory that cannot be a DMB",
    reason: "A DMB is page-aligned memory of 1 byte to 1 MiB that does not cross a 1 MiB \
        boundary. The driver sets this segment size and boundary mask for the device.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const QUEUE_MISALIGNED: Text = Text {
    title: "an SBA or event queue that is not page aligned, or an event queue that is not 512 \
        bytes long",
    reason: "Summary bits and event queue are one 4 KiB page each. The driver registers 512 bytes \
        of event queue: a header and 15 entries.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c",
};

pub(crate) const TOKEN_AS_ADDRESS: Text = Text {
    title: "a DMB token used as the address of memory",
    reason: "REG_SBA, REG_IEQ and REG_DMB take the address of memory. The driver keeps address \
        and token of a DMB in one union, so a response that reaches the wrong reader puts a \
        token where an address belongs. A real function then ends in the error state. The \
        rule reports an address that is a token of this fabric, in use or given back.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c; Linux patch series s390/ism: fix concurrency \
        management in ism_cmd(), July 2025",
};

pub(crate) const OUTSIDE_DMA_WINDOW: Text = Text {
    title: "memory outside the DMA window that CLP announces",
    reason: "CLP announces the first and the last usable DMA address of a function. A real \
        function ends in the error state if a mapping lies outside of them.",
    source: "Linux 6.12 arch/s390/include/asm/pci_clp.h; IBM developer on the linux-s390 list",
};

pub(crate) const UNREGISTER_NOT_OWNED: Text = Text {
    title: "an UNREG_DMB of a token that this function does not own",
    reason: "Only the function that registered a DMB holds its memory. A token of another \
        function, or one that was already unregistered, means that the driver has mixed up tokens.",
    source: "Linux 6.12 drivers/s390/net/ism_drv.c (derived)",
};
