//! Every limit on what a peer can make this process hold or do, except the limits of the protocol
//! ([`mod@vfio_user_protocol::limits`]). `docs/limits.md` lists both; a test compares.

use vfio_user_protocol::Malformed;

vfio_user_protocol::limits! {
    /// Functions of one profile. Each has one client and one client of its instruction channel.
    pub const MAX_FUNCTIONS: usize = 256;
    /// Refused clients of one socket that get EBUSY at the same time. The server only disconnects more.
    pub const REFUSALS: usize = 8;
    /// Bytes read of a refused client's first message, so that the server can answer a complete VERSION.
    pub const REFUSED_LEN: usize = 8 << 10;
    /// Bytes received at once: several hundred posted 8-byte writes.
    pub const RECEIVE_LEN: usize = 64 << 10;
    /// A buffer that grew past this size for a large message is freed.
    pub const KEEP_LEN: usize = 4 * RECEIVE_LEN;
    /// Descriptors that one receive takes over, to keep or to close: as many as the kernel lets one message
    /// carry.
    pub const RECEIVED_FDS: usize = 253;
    /// Descriptors of this process that one function needs: sockets, eventfds, pending ones.
    pub const DESCRIPTORS_PER_FUNCTION: u64 = 64;
    /// Descriptors besides those of functions, including those that current receives take over.
    pub const OTHER_DESCRIPTORS: u64 = 512;
    /// Files behind one client's maps. Each needs a mapping of this process. QEMU has one for each memory
    /// back-end.
    pub const FILES_PER_CLIENT: usize = 256;
    /// Bytes of address space for the files of all clients together; each function has its share.
    pub const MAPPED_BYTES: u64 = 32 << 40;
    /// Operations that moves may queue for memory without a descriptor. A full queue refuses moves until the
    /// client answers.
    pub const QUEUED_OPERATIONS: usize = 1024;
    /// Additional operations for a move that has begun.
    pub const QUEUED_BEYOND: usize = 256;
    /// Bytes that may wait in one such queue.
    pub const QUEUED_BYTES: usize = 8 << 20;
    /// Bytes of one access that an event shows.
    pub const SHOWN_BYTES: usize = records::event::SHOWN_BYTES;
    /// Bytes of the event file, unless `--events-limit` says otherwise.
    pub const EVENTS_BYTES: u64 = 4 << 30;
    /// Log lines (info and warn) that may come in one burst.
    pub const LOG_BURST: u32 = 1000;
    /// Log lines that may come in each second after a burst.
    pub const LOG_PER_SECOND: u32 = 20;
    /// Faults that may be active at the same time.
    pub const MAX_FAULTS: usize = 256;
    /// Moves and runs of interrupts that faults may delay. One more is carried out at once.
    pub const PUT_OFF: usize = 4096;
    /// Clients of the control socket at the same time. One more gets an error and is disconnected.
    pub const CONTROL_CLIENTS: usize = 16;
    /// Bytes of one line on the control socket.
    pub const CONTROL_LINE: usize = 64 << 10;
    /// Bytes of events that wait for one client of the control socket. A slower client is disconnected.
    pub const FOLLOWED_BYTES: usize = 16 << 20;
    /// Milliseconds that a client of the control socket may take to accept an answer.
    pub const CONTROL_MS: u64 = 5000;
    /// Milliseconds that a client's own memory may take to answer (payload carrier `process`).
    pub const CLIENT_MEMORY_MS: u64 = 200;
    /// Milliseconds that an eventfd may delay a signal (at most twice that) before the server drops it.
    pub const EVENTFD_MS: u64 = 20;
    /// Milliseconds that the reply to a DMA_UNMAP or DEVICE_RESET waits for the client's answer to a DMA_READ or
    /// DMA_WRITE of the same memory. QEMU cannot answer while it waits for that reply.
    pub const DMA_REPLY_MS: u64 = 500;
    /// Milliseconds in which a refused client must send a message.
    pub const REFUSAL_MS: u64 = 1000;
}

/// A limit that a peer reached, as reports count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A message was too long: the connection was closed.
    MessageSize,
    /// Too many descriptors came at once: the connection was closed.
    Descriptors,
    /// This process had no room for a descriptor: EMFILE.
    DescriptorsLost,
    /// The client had too many maps: ENOSPC.
    Maps,
    /// Too many files backed the maps: ENOSPC.
    Files,
    /// The files behind the maps were too large: ENOSPC.
    MappedBytes,
    /// Too many writes already waited for the client: EIO for the writer.
    Queue,
    /// An eventfd made the server wait: the server dropped it.
    Eventfds,
    /// A second client came: it got EBUSY or was only disconnected.
    Clients,
}

impl Over {
    /// All limits, with their names in reports.
    pub const ALL: [(Over, &str); 9] = [
        (Over::MessageSize, "message-size"),
        (Over::Descriptors, "descriptors"),
        (Over::DescriptorsLost, "descriptors-lost"),
        (Over::Maps, "maps"),
        (Over::Files, "files"),
        (Over::MappedBytes, "mapped-bytes"),
        (Over::Queue, "queue"),
        (Over::Eventfds, "eventfds"),
        (Over::Clients, "clients"),
    ];

    /// Returns the limit that ended a connection, if one did.
    pub fn closed(malformed: &Malformed) -> Option<Self> {
        match malformed {
            Malformed::TooLong { .. } => Some(Over::MessageSize),
            Malformed::TooManyDescriptors { .. } => Some(Over::Descriptors),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn read(path: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    fn constants(source: &str) -> Vec<String> {
        let names = source
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("pub const "));
        let names = names.filter_map(|rest| Some(rest.split_once(':')?.0.to_owned()));
        names.filter(|name| name != "ALL").collect()
    }

    #[test]
    fn every_bound_is_in_the_list_and_in_the_documentation() {
        let document = read("docs/limits.md");
        let rows = document.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|');
            let name = cells.next()?.trim().strip_suffix('`')?;
            let value = cells.next()?.trim().replace(',', "").parse().ok()?;
            Some((name, value))
        });
        let documented: BTreeMap<&str, u64> = rows.collect();
        let wire = vfio_user_protocol::limits::ALL;
        let code: BTreeMap<&str, u64> = ALL.iter().chain(wire).copied().collect();
        assert_eq!(documented, code);
        let sources = ["server/src/limits.rs", "protocol/src/limits.rs"];
        let names: Vec<String> = sources
            .iter()
            .flat_map(|path| constants(&read(path)))
            .collect();
        assert_eq!(names.len(), code.len());
        for name in names {
            assert!(code.contains_key(name.as_str()), "{name} is not in ALL");
        }
    }

    #[test]
    fn every_count_of_the_report_is_documented() {
        let document = read("docs/limits.md");
        for (at, (over, name)) in Over::ALL.iter().enumerate() {
            assert_eq!(*over as usize, at, "{name}");
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
    }
}
