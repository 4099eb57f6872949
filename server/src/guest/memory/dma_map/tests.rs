use std::os::fd::AsRawFd;

use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::*;

const RW: (bool, bool) = (true, true);

fn memfd(len: u64) -> OwnedFd {
    let fd = rustix::fs::memfd_create("ram", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, len).unwrap();
    fd
}

fn clone(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().unwrap()
}

#[test]
fn one_file_is_mapped_once_and_dropped_with_its_last_map() {
    let mut map = DmaMap::new(10_000);
    let fd = memfd(4096 * 4096);
    for page in 0..4096 {
        map.map(
            0x1_0000_0000 + page * 8192,
            4096,
            RW,
            Some((clone(&fd), page * 4096)),
        )
        .unwrap();
    }
    assert_eq!((map.len(), map.files()), (4096, 1));
    assert_eq!(map.unmap(0x1_0000_0000, 4095 * 8192).unwrap(), 4095 * 4096);
    assert_eq!((map.len(), map.files()), (1, 1));
    map.unmap(0, u64::MAX).unwrap();
    assert_eq!((map.len(), map.files()), (0, 0));
}

#[test]
fn a_file_that_is_mapped_is_not_mapped_again() {
    let mut map = DmaMap::new(10);
    let fd = memfd(8192);
    let backing = |map: &DmaMap, iova| {
        let mut found = None;
        map.segments(iova, 1, true, |part| {
            if let Backing::File(file, _) = &part.mapping.backing {
                found = Some(Arc::clone(file));
            }
            Ok(())
        })
        .unwrap();
        found.unwrap()
    };
    map.map(0, 4096, RW, Some((clone(&fd), 0))).unwrap();
    let first = backing(&map, 0);
    map.map(4096, 4096, RW, Some((fd, 4096))).unwrap();
    assert!(Arc::ptr_eq(&first, &backing(&map, 4096)));
}

#[test]
fn overlaps_and_cuts_are_refused_and_change_nothing() {
    let mut map = DmaMap::new(10);
    map.map(0x4000, 0x2000, RW, None).unwrap();
    for (iova, size) in [
        (0x4000, 0x1000),
        (0x3000, 0x1001),
        (0x5fff, 1),
        (0x1000, 0x10000),
    ] {
        assert!(matches!(
            map.map(iova, size, RW, None),
            Err(MapError::Overlap { other: 0x4000, .. })
        ));
    }
    for (iova, size) in [
        (0x4000, 0x1000),
        (0x5000, 0x1000),
        (0x3000, 0x2000),
        (0x4fff, 2),
    ] {
        assert!(matches!(
            map.unmap(iova, size),
            Err(MapError::Cuts { other: 0x4000, .. })
        ));
    }
    map.map(0x6000, 0x1000, RW, None).unwrap();
    map.map(0x3000, 0x1000, RW, None).unwrap();
    assert_eq!(map.len(), 3);
    assert_eq!(map.unmap(0x3000, 0x4000), Ok(0x4000));
    assert_eq!(map.unmap(0x3000, 0x4000), Ok(0));
}

#[test]
fn one_map_more_than_the_limit_is_refused() {
    let mut map = DmaMap::new(2);
    map.map(0, 4096, RW, None).unwrap();
    map.map(4096, 4096, RW, None).unwrap();
    assert_eq!(map.map(8192, 4096, RW, None), Err(MapError::TooMany(2)));
}

#[test]
fn an_access_over_neighbouring_maps_is_cut_at_their_borders() {
    let mut map = DmaMap::new(10);
    map.map(0x1000, 0x1000, RW, None).unwrap();
    map.map(0x2000, 0x1000, RW, None).unwrap();
    let mut parts = Vec::new();
    map.segments(0x1ff0, 0x20, true, |part| {
        parts.push((part.iova, part.at, part.len));
        Ok(())
    })
    .unwrap();
    assert_eq!(parts, [(0x1ff0, 0, 0x10), (0x2000, 0x10, 0x10)]);
    let fault = map.segments(0x2ff0, 0x20, true, |_| Ok(())).unwrap_err();
    assert_eq!((fault.iova, fault.why), (0x3000, "not mapped"));
}

#[test]
fn an_access_that_a_map_does_not_allow_is_refused() {
    let mut map = DmaMap::new(10);
    map.map(0x1000, 0x1000, (true, false), None).unwrap();
    map.map(0x2000, 0x1000, (false, true), None).unwrap();
    assert_eq!(
        map.segments(0x1000, 8, true, |_| Ok(())).unwrap_err().why,
        "mapped read-only"
    );
    assert_eq!(
        map.segments(0x2000, 8, false, |_| Ok(())).unwrap_err().why,
        "mapped write-only"
    );
}

#[test]
fn a_file_that_grew_is_mapped_anew_for_all_its_maps() {
    let mut map = DmaMap::new(10);
    let fd = memfd(4096);
    map.map(0, 4096, RW, Some((clone(&fd), 0))).unwrap();
    assert!(matches!(
        map.map(4096, 4096, RW, Some((clone(&fd), 4096))),
        Err(MapError::Descriptor { .. })
    ));
    rustix::fs::ftruncate(&fd, 8192).unwrap();
    map.map(4096, 4096, RW, Some((clone(&fd), 4096))).unwrap();
    assert_eq!(map.files(), 1);
    let mut files = Vec::new();
    map.segments(0, 8192, true, |part| {
        files.push(
            part.file()
                .map(|(file, offset)| (std::ptr::from_ref(file).addr(), offset)),
        );
        Ok(())
    })
    .unwrap();
    let [Some(first), Some(second)] = files[..] else {
        panic!("{files:?}")
    };
    assert_eq!((first.0, second.0, second.1), (second.0, first.0, 4096));
}

#[test]
fn a_read_only_descriptor_takes_nothing_from_the_writable_maps() {
    let mut map = DmaMap::new(10);
    let fd = memfd(4096);
    map.map(0, 4096, RW, Some((clone(&fd), 0))).unwrap();
    rustix::fs::ftruncate(&fd, 8192).unwrap();
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let read_only = rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).unwrap();
    let refused = map.map(4096, 4096, RW, Some((clone(&read_only), 4096)));
    assert_eq!(refused.unwrap_err().errno(), 13);
    map.map(4096, 4096, (true, false), Some((read_only, 4096)))
        .unwrap();
    let write = |map: &DmaMap, iova| {
        map.segments(iova, 8, true, |part| {
            let (file, offset) = part.file().unwrap();
            file.write(offset, &[7; 8][..part.len])
                .map_err(|_| "not written")
        })
    };
    write(&map, 0).unwrap();
    assert_eq!(write(&map, 4096).unwrap_err().why, "mapped read-only");
    // With a writable descriptor again, one mapping serves all maps.
    map.unmap(4096, 4096).unwrap();
    map.map(4096, 4096, RW, Some((fd, 4096))).unwrap();
    write(&map, 4090).unwrap();
    let mut files = Vec::new();
    map.segments(0, 8192, true, |part| {
        files.extend(part.file().map(|(file, _)| std::ptr::from_ref(file).addr()));
        Ok(())
    })
    .unwrap();
    assert_eq!(files[0], files[1]);
    assert_eq!(map.clear(), 8192);
}

#[test]
fn the_number_of_files_is_limited() {
    let mut map = DmaMap::new(10_000);
    for at in 0..FILES_PER_CLIENT as u64 {
        map.map(at * 4096, 4096, RW, Some((memfd(4096), 0)))
            .unwrap();
    }
    let end = FILES_PER_CLIENT as u64 * 4096;
    let refused = map.map(end, 4096, RW, Some((memfd(4096), 0)));
    assert_eq!(refused, Err(MapError::TooManyFiles(FILES_PER_CLIENT)));
    map.map(end, 4096, RW, None).unwrap();
    map.unmap(0, 4096).unwrap();
    map.map(0, 4096, RW, Some((memfd(4096), 0))).unwrap();
}

#[test]
fn the_bytes_of_files_are_limited() {
    let mut map = DmaMap::new(10).with_bytes(3 * 4096);
    map.map(0, 4096, RW, Some((memfd(8192), 0))).unwrap();
    map.map(4096, 4096, RW, Some((memfd(4096), 0))).unwrap();
    let refused = map.map(8192, 4096, RW, Some((memfd(4096), 0)));
    assert_eq!(refused, Err(MapError::TooLarge(3 * 4096)));
    // A sparse file of any length holds no memory, but takes address space all the same.
    let refused = map.map(8192, 4096, RW, Some((memfd(1 << 40), 0)));
    assert_eq!(refused, Err(MapError::TooLarge(3 * 4096)));
    map.unmap(0, 4096).unwrap();
    map.map(8192, 4096, RW, Some((memfd(4096), 0))).unwrap();
}
