//! The DMA maps of a client: ranges of iova, each backed by a file or reached by messages only.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::limits::{FILES_PER_CLIENT, Over};

use super::file_facts::{FileFacts, FileKey};
use super::guest_file::GuestFile;

/// The reason why a map or unmap was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The range overlaps an existing map.
    #[error("iova {iova:#x}, {size:#x} bytes overlaps the map at {other:#x}")]
    Overlap {
        /// Start of the new range.
        iova: u64,
        /// Size of the new range in bytes.
        size: u64,
        /// Start of the existing map.
        other: u64,
    },
    /// The range covers only a part of a map.
    #[error("iova {iova:#x}, {size:#x} bytes cuts the map at {other:#x} in two")]
    Cuts {
        /// Start of the range to unmap.
        iova: u64,
        /// Size of the range to unmap, in bytes.
        size: u64,
        /// Start of the map that would be cut in two.
        other: u64,
    },
    /// The client has too many maps; the number is the limit.
    #[error("more than {0} maps")]
    TooMany(usize),
    /// Too many files back the maps; the number is the limit.
    #[error("more than {0} files behind the maps")]
    TooManyFiles(usize),
    /// The files behind the maps are too large together; the number is the limit in bytes.
    #[error("files of more than {0} bytes behind the maps")]
    TooLarge(u64),
    /// The descriptor is not memory that can be used as requested.
    #[error("descriptor for iova {iova:#x}: {what}")]
    Descriptor {
        /// Start of the range.
        iova: u64,
        /// Description of the error.
        what: &'static str,
        /// Error code for the reply.
        errno: Errno,
    },
}

impl MapError {
    /// Returns the errno of the reply.
    pub fn errno(&self) -> u32 {
        let errno = match self {
            MapError::Overlap { .. } => Errno::EXIST,
            MapError::Cuts { .. } => Errno::INVAL,
            MapError::TooMany(_) | MapError::TooManyFiles(_) | MapError::TooLarge(_) => {
                Errno::NOSPC
            }
            MapError::Descriptor { errno, .. } => *errno,
        };
        errno.raw_os_error().unsigned_abs()
    }

    /// Returns the limit that caused the refusal, if one did.
    pub fn over(&self) -> Option<Over> {
        match self {
            MapError::TooMany(_) => Some(Over::Maps),
            MapError::TooManyFiles(_) => Some(Over::Files),
            MapError::TooLarge(_) => Some(Over::MappedBytes),
            _ => None,
        }
    }
}

/// The memory behind a range.
#[derive(Clone, Debug)]
pub enum Backing {
    /// A file, and the offset in it of the range's first byte.
    File(Arc<GuestFile>, u64),
    /// No file: the server reaches the memory only by DMA_READ and DMA_WRITE.
    Client,
}

/// One range that the client has mapped.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// First address of the range.
    pub iova: u64,
    /// Size in bytes.
    pub size: u64,
    /// True if the device may read the range.
    pub readable: bool,
    /// True if the device may write the range.
    pub writable: bool,
    /// The memory behind the range.
    pub backing: Backing,
}

/// A part of an access that lies in one mapping.
#[derive(Debug)]
pub struct Segment<'a> {
    /// The map that contains the part.
    pub mapping: &'a Mapping,
    /// First address of the part.
    pub iova: u64,
    /// Offset of the part in the access.
    pub at: usize,
    /// Length of the part in bytes.
    pub len: usize,
}

impl Segment<'_> {
    /// True if a file backs the part.
    pub fn mapping_is_file(&self) -> bool {
        matches!(self.mapping.backing, Backing::File(..))
    }

    /// True if the guest sees the setting of bits in the part as one step.
    pub fn sets_bits_atomically(&self) -> bool {
        self.file()
            .is_some_and(|(file, _)| file.sets_bits_atomically())
    }

    /// Returns the file behind the part and the offset in it, if there is one.
    pub fn file(&self) -> Option<(&GuestFile, u64)> {
        match &self.mapping.backing {
            Backing::File(file, offset) => Some((file, offset + (self.iova - self.mapping.iova))),
            Backing::Client => None,
        }
    }
}

/// All maps of one client.
#[derive(Debug)]
pub struct DmaMap {
    maps: BTreeMap<u64, Mapping>,
    files: HashMap<FileKey, Arc<GuestFile>>,
    limit: usize,
    /// Largest sum of the sizes of all files, in bytes.
    bytes_limit: u64,
}

impl DmaMap {
    /// Creates an empty table for at most `limit` maps.
    pub fn new(limit: usize) -> Self {
        Self {
            maps: BTreeMap::new(),
            files: HashMap::new(),
            limit,
            bytes_limit: u64::MAX,
        }
    }

    /// Sets the largest sum of the sizes of all files, in bytes.
    pub fn with_bytes(self, bytes_limit: u64) -> Self {
        Self {
            bytes_limit,
            ..self
        }
    }

    /// Number of maps in the table.
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// True if nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// Number of files behind the maps.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Removes all maps. Returns the number of bytes that were mapped.
    pub fn clear(&mut self) -> u64 {
        let sizes = self.maps.values().map(|map| map.size);
        let removed = sizes.fold(0, u64::saturating_add);
        self.maps.clear();
        self.files.clear();
        removed
    }

    /// Adds a range. `file` is the descriptor to map, with the range's offset in it.
    pub fn map(
        &mut self,
        iova: u64,
        size: u64,
        permissions: (bool, bool),
        file: Option<(OwnedFd, u64)>,
    ) -> Result<(), MapError> {
        self.map_by(iova, size, permissions, file, false)
    }

    /// Like [`DmaMap::map`]; `by_file_io` says that the descriptor must not be mapped.
    pub fn map_by(
        &mut self,
        iova: u64,
        size: u64,
        (readable, writable): (bool, bool),
        file: Option<(OwnedFd, u64)>,
        by_file_io: bool,
    ) -> Result<(), MapError> {
        if self.maps.len() >= self.limit {
            return Err(MapError::TooMany(self.limit));
        }
        if let Some(other) = self.overlapping(iova, size).next() {
            return Err(MapError::Overlap {
                iova,
                size,
                other: other.iova,
            });
        }
        let backing = match file {
            None => Backing::Client,
            Some((fd, offset)) => {
                let file = self.file(iova, fd, (offset, size), writable, by_file_io)?;
                Backing::File(file, offset)
            }
        };
        self.maps.insert(
            iova,
            Mapping {
                iova,
                size,
                readable,
                writable,
                backing,
            },
        );
        Ok(())
    }

    /// Removes every map inside the range. Returns the number of bytes that were mapped there. Like
    /// VFIO_IOMMU_UNMAP_DMA of the kernel, it removes 0 bytes from a range without maps.
    pub fn unmap(&mut self, iova: u64, size: u64) -> Result<u64, MapError> {
        let last = iova.saturating_add(size.saturating_sub(1));
        if let Some(other) = self
            .overlapping(iova, size)
            .find(|map| map.iova < iova || map.iova.saturating_add(map.size - 1) > last)
        {
            return Err(MapError::Cuts {
                iova,
                size,
                other: other.iova,
            });
        }
        let inside: Vec<u64> = self
            .maps
            .range(iova..=last)
            .map(|(start, _)| *start)
            .collect();
        let mut removed = 0u64;
        for start in inside {
            if let Some(map) = self.maps.remove(&start) {
                removed = removed.saturating_add(map.size);
                if let Backing::File(file, _) = map.backing {
                    self.release(file);
                }
            }
        }
        Ok(removed)
    }

    /// Splits an access of `len` bytes at `iova` into parts, in order. The error names the first address that
    /// is not mapped for the access, or whose part `each` refused, and the reason.
    pub fn segments(
        &self,
        iova: u64,
        len: usize,
        write: bool,
        mut each: impl FnMut(Segment<'_>) -> Result<(), &'static str>,
    ) -> Result<(), Fault> {
        let mut done = 0;
        while done < len {
            let at = iova
                .checked_add(done as u64)
                .ok_or(Fault::new(iova, "past the end of the address space"))?;
            let mapping = self
                .maps
                .range(..=at)
                .next_back()
                .map(|(_, mapping)| mapping)
                .filter(|mapping| at - mapping.iova < mapping.size)
                .ok_or(Fault::new(at, "not mapped"))?;
            if write && !mapping.writable {
                return Err(Fault::new(at, "mapped read-only"));
            }
            if !write && !mapping.readable {
                return Err(Fault::new(at, "mapped write-only"));
            }
            let left = usize::try_from(mapping.size - (at - mapping.iova)).unwrap_or(usize::MAX);
            let part = left.min(len - done);
            each(Segment {
                mapping,
                iova: at,
                at: done,
                len: part,
            })
            .map_err(|why| Fault::new(at, why))?;
            done += part;
        }
        Ok(())
    }

    /// Returns `len` bytes at `iova` as one part, if they are in one map and may be written.
    pub fn writable_whole(&self, iova: u64, len: usize) -> Option<Segment<'_>> {
        let (_, mapping) = self.maps.range(..=iova).next_back()?;
        let left = mapping.size.checked_sub(iova - mapping.iova)?;
        (mapping.writable && len as u64 <= left).then_some(Segment {
            mapping,
            iova,
            at: 0,
            len,
        })
    }

    fn overlapping(&self, iova: u64, size: u64) -> impl Iterator<Item = &Mapping> {
        let last = iova.saturating_add(size.saturating_sub(1));
        let before = self
            .maps
            .range(..iova)
            .next_back()
            .map(|(_, mapping)| mapping)
            .filter(move |map| map.iova.saturating_add(map.size - 1) >= iova);
        before
            .into_iter()
            .chain(self.maps.range(iova..=last).map(|(_, mapping)| mapping))
    }

    /// Returns the one mapping of the file behind `fd`. Creates it, or creates it again if it is too short.
    fn file(
        &mut self,
        iova: u64,
        fd: OwnedFd,
        (offset, size): (u64, u64),
        writable: bool,
        by_file_io: bool,
    ) -> Result<Arc<GuestFile>, MapError> {
        let refuse = |what, errno| MapError::Descriptor { iova, what, errno };
        let mut facts = FileFacts::of(&fd).map_err(|(what, errno)| refuse(what, errno))?;
        if by_file_io {
            facts.key = facts.key.by_file_io();
        }
        let end = offset
            .checked_add(size)
            .ok_or(refuse("offset + size overflows", Errno::INVAL))?;
        if end > facts.len {
            return Err(refuse(
                "the file is shorter than offset + size",
                Errno::INVAL,
            ));
        }
        if by_file_io && facts.appends {
            return Err(refuse(
                "file I/O on a descriptor that is open for appending writes at the end only",
                Errno::INVAL,
            ));
        }
        if !facts.readable {
            return Err(refuse("it is not open for reading", Errno::ACCESS));
        }
        if writable && !facts.writable {
            return Err(refuse("it is read-only and the map is not", Errno::ACCESS));
        }
        let known = self.files.get(&facts.key);
        if let Some(known) = known
            && known.size() >= end
            && (known.writable() || !writable)
        {
            return Ok(Arc::clone(known));
        }
        if known.is_none() && self.files.len() >= FILES_PER_CLIENT {
            return Err(MapError::TooManyFiles(FILES_PER_CLIENT));
        }
        let others = self.files.values().filter(|file| file.key() != facts.key);
        let others = others.map(|file| file.size());
        if others.fold(facts.len, u64::saturating_add) > self.bytes_limit {
            return Err(MapError::TooLarge(self.bytes_limit));
        }
        let file = if by_file_io {
            GuestFile::by_file_io(fd, &facts)
        } else {
            GuestFile::open(&fd, &facts).map_err(|errno| refuse("mmap failed", errno))?
        };
        let file = Arc::new(file);
        self.files.insert(facts.key, Arc::clone(&file));
        // The file grew, or a writable descriptor came: one mapping also serves the old maps, unless it could
        // do less than theirs.
        for map in self.maps.values_mut() {
            if let Backing::File(old, _) = &mut map.backing
                && old.key() == facts.key
                && (file.writable() || !old.writable())
            {
                *old = Arc::clone(&file);
            }
        }
        Ok(file)
    }

    /// Drops the mapping of a file with its last map, when the table holds the only reference.
    fn release(&mut self, file: Arc<GuestFile>) {
        let key = file.key();
        drop(file);
        if self
            .files
            .get(&key)
            .is_some_and(|file| Arc::strong_count(file) == 1)
        {
            self.files.remove(&key);
        }
    }
}

/// An access that no map allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// First address that cannot be accessed.
    pub iova: u64,
    /// The reason, for messages.
    pub why: &'static str,
}

impl Fault {
    fn new(iova: u64, why: &'static str) -> Self {
        Self { iova, why }
    }
}

#[cfg(test)]
mod tests;
