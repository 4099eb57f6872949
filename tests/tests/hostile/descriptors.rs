//! Tests of descriptors of a wrong kind, and of memory that is gone when it is accessed. The server lives,
//! the access fails, the other function notices nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{FallocateFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, open};
use rustix::io::ReadWriteFlags;
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
use vfio_user_ism_tests::client::{ZPCI, command, dma_map, irq, region_write, set_irqs};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target, zpci_request};
use vfio_user_ism_tests::errno::{EACCES, EINVAL, EIO};
use vfio_user_ism_tests::threads::SetAtEnd;
use vfio_user_ism_tests::wire::{NO_REPLY, message};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Ram, Via};

/// Address of the wrong memory.
const ODD: u64 = 0x9_0000_0000;
const EBADF: u32 = 9;

fn path(name: &str, flags: OFlags) -> OwnedFd {
    open(name, flags, Mode::empty()).unwrap()
}

fn pipe() -> OwnedFd {
    rustix::pipe::pipe().unwrap().1
}

fn socket() -> OwnedFd {
    UnixStream::pair().unwrap().0.into()
}

fn epoll() -> OwnedFd {
    epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()
}

fn timerfd() -> OwnedFd {
    timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap()
}

fn plain_eventfd(flags: EventfdFlags) -> OwnedFd {
    eventfd(0, flags | EventfdFlags::CLOEXEC).unwrap()
}

fn map(client: &mut Client, fd: &OwnedFd) -> u32 {
    let reply = client.request_with(command::DMA_MAP, dma_map(ODD, 4096, 0), &[fd.as_fd()]);
    reply.errno().unwrap_or(0)
}

fn take_eventfd(client: &mut Client, fd: &OwnedFd) -> u32 {
    let body = set_irqs(irq::EVENTFD | irq::TRIGGER, irq::MSI, 0, 1, &[]);
    let reply = client.request_with(command::SET_IRQS, body, &[fd.as_fd()]);
    reply.errno().unwrap_or(0)
}

#[test]
fn a_descriptor_that_is_no_file_is_refused_as_memory() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (what, fd, errno) in [
        ("pipe", pipe(), EINVAL),
        ("socket", socket(), EINVAL),
        ("epoll", epoll(), EINVAL),
        ("timerfd", timerfd(), EINVAL),
        ("eventfd", plain_eventfd(EventfdFlags::empty()), EINVAL),
        ("directory", path("/dev/shm", OFlags::RDONLY), EINVAL),
        ("/dev/zero", path("/dev/zero", OFlags::RDWR), EINVAL),
        // A client cannot serve these itself, but they are neither disk nor memory.
        ("procfs", path("/proc/self/status", OFlags::RDONLY), EINVAL),
        ("not opened", path("/dev/zero", OFlags::PATH), EBADF),
    ] {
        assert_eq!(map(&mut client, &fd), errno, "{what}");
    }
    client.map(ODD, 4096, &Ram::new(4096), 0).ok();
}

#[test]
fn a_descriptor_that_is_no_eventfd_is_never_signalled() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (what, fd) in [
        ("pipe", pipe()),
        ("socket", socket()),
        ("epoll", epoll()),
        ("timerfd", timerfd()),
        ("directory", path("/dev/shm", OFlags::RDONLY)),
        ("/dev/zero", path("/dev/zero", OFlags::RDWR)),
        ("not opened", path("/dev/zero", OFlags::PATH)),
    ] {
        assert_eq!(take_eventfd(&mut client, &fd), EINVAL, "{what}");
    }
    client.eventfd(irq::MSI);
}

#[test]
fn an_eventfd_that_would_block_holds_nothing_up() {
    let daemon = Daemon::with_profile("pair");
    let mut other = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    let mut driver = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    for flags in [EventfdFlags::empty(), EventfdFlags::SEMAPHORE] {
        let full = plain_eventfd(flags);
        rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        assert_eq!(take_eventfd(&mut driver.client, &full), 0);
        for round in 0..10 {
            // The element mask is clear each time, so each signal causes an interrupt.
            driver.ram.write(0, &[0; 1024]);
            driver.put(target(token, 0, true, 0), &[round; 8]).ok();
        }
        other.gid();
    }
    let stopped = daemon.stop();
    assert!(stopped.events_named("interrupt").count() >= 20);
}

/// Sets the count of an eventfd that nobody else writes.
fn set_count(fd: &OwnedFd, new: u64) {
    let mut count = [0; 8];
    let mut buffers = [IoSliceMut::new(&mut count)];
    let _ = rustix::io::preadv2(fd, &mut buffers, u64::MAX, ReadWriteFlags::NOWAIT);
    rustix::io::write(fd, &new.to_ne_bytes()).unwrap();
}

/// The owner of an eventfd with this count changes all the time whether the eventfd makes writers wait.
/// Meanwhile so many moves at a time signal it.
#[track_caller]
fn holds_nobody_up(count: u64, together: usize) {
    let daemon = Daemon::with_profile("pair");
    let mut other = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    let mut driver = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    let fickle = plain_eventfd(EventfdFlags::empty());
    let enough = AtomicBool::new(false);
    thread::scope(|threads| {
        // The eventfd may be non-blocking when the server checks it, and blocking when it writes.
        threads.spawn(|| {
            let mut flags = rustix::fs::fcntl_getfl(&fickle).unwrap();
            while !enough.load(Ordering::Relaxed) {
                flags.toggle(OFlags::NONBLOCK);
                rustix::fs::fcntl_setfl(&fickle, flags).unwrap();
            }
        });
        let _end = SetAtEnd(&enough);
        for round in 0..40 {
            set_count(&fickle, count);
            assert_eq!(take_eventfd(&mut driver.client, &fickle), 0);
            let request = zpci_request(2, 0, 0, target(token, 0, true, 0), 8).raw(&[round; 8]);
            let body = region_write(ZPCI, 16, &request.0);
            let moves = message(1, command::REGION_WRITE, NO_REPLY, &body).repeat(together);
            let channel = driver.channel.as_mut().unwrap();
            for _ in 0..500 / together {
                channel.wire.send(&moves);
            }
            other.gid();
            // All moves are done, so nobody signals now.
            driver.gid();
        }
    });
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0));
    // The machine decides how often this happened.
    println!("given up: {}", stopped.function("ism0")["over_limits"]);
}

#[test]
fn an_eventfd_that_is_filled_again_and_again_holds_nobody_up() {
    holds_nobody_up(u64::MAX - 1, 1);
}

/// Poll reports such an eventfd as ready.
#[test]
fn an_eventfd_with_room_for_one_of_several_interrupts_holds_nobody_up() {
    holds_nobody_up(u64::MAX - 2, 50);
}

#[test]
fn a_semaphore_counts_interrupts_as_any_eventfd_does() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let semaphore = plain_eventfd(EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK);
    assert_eq!(take_eventfd(&mut driver.client, &semaphore), 0);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    driver.put(target(token, 0, true, 0), &[1; 8]).ok();
    let mut count = [0; 8];
    rustix::io::read(&semaphore, &mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
}

#[test]
fn memory_sealed_against_writing_is_read_only() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
        let ram = Ram::unsealed(8192);
        fcntl_add_seals(ram.as_fd(), seal | SealFlags::SHRINK).unwrap();
        client.map(ODD, 4096, &ram, 0).refused(EACCES);
        let read_only = Bytes::new().u32(32).u32(1).u64(0).u64(ODD).u64(4096).0;
        let reply = client.request_with(command::DMA_MAP, read_only, &[ram.as_fd()]);
        assert_eq!(reply.errno(), None, "{seal:?}");
        client.unmap(ODD, 4096).ok();
    }
    let file = path("/proc/self/exe", OFlags::RDONLY);
    assert_eq!(
        map(&mut client, &file),
        EACCES,
        "a file that is not open for writing"
    );
}

/// Creates a driver with a DMB in `ram`, mapped at [`ODD`]. Returns the DMB's token too.
#[track_caller]
fn driver_with(daemon: &Daemon, ram: impl AsFd, len: u64) -> (Driver, u64) {
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let body = dma_map(ODD, len, 0);
    let reply = driver
        .client
        .request_with(command::DMA_MAP, body, &[ram.as_fd()]);
    assert_eq!(reply.errno(), None);
    let gid = driver.gid();
    let payload = dmb(ODD, len as u32, FIRST_INDEX, gid);
    let token = driver.run(code::REG_DMB, payload).number();
    (driver, token)
}

#[test]
fn a_hole_in_sealed_memory_fills_again() {
    let mut daemon = Daemon::start();
    let ram = Ram::new(1 << 20);
    let (mut driver, token) = driver_with(&daemon, &ram, 1 << 20);
    driver.put(target(token, 0, false, 0), &[1; 64]).ok();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&ram, hole, 0, 1 << 20).unwrap();
    driver.put(target(token, 0, true, 4096), &[2; 64]).ok();
    assert_eq!(
        (ram.read(0, 8), ram.read(4096, 8)),
        (vec![0; 8], vec![2; 8])
    );
    assert!(daemon.is_alive());
}

/// A tmpfs of 64 KiB, which a child mounts in its own namespaces.
struct SmallTmpfs(Child);

impl SmallTmpfs {
    #[track_caller]
    fn new() -> Self {
        let script = "mount -t tmpfs -o size=64k none /mnt && echo ready && exec sleep 600";
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("unshare (util-linux)");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "namespaces of users are needed");
        Self(child)
    }

    /// Creates an empty sparse file of this length.
    fn sparse(&self, len: u64) -> File {
        let path = format!("/proc/{}/root/mnt/ram", self.0.id());
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        file.set_len(len).unwrap();
        file
    }
}

impl Drop for SmallTmpfs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_full_tmpfs_fails_the_move_and_not_the_server() {
    let mut daemon = Daemon::start();
    let tmpfs = SmallTmpfs::new();
    let file = tmpfs.sparse(1 << 20);
    let (mut driver, token) = driver_with(&daemon, &file, 1 << 20);
    let mut put = |page: u64| {
        let reply = driver.put(target(token, 0, false, page * 4096), &[1; 4096]);
        reply.errno().unwrap_or(0)
    };
    let results: Vec<u32> = (0..32).map(&mut put).collect();
    let fit = results.iter().take_while(|errno| **errno == 0).count();
    assert!((1..=16).contains(&fit), "{results:?}");
    assert!(
        results[fit..].iter().all(|errno| *errno == EIO),
        "{results:?}"
    );
    // The memory that fitted is still there, and the server still writes it.
    assert_eq!(put(0), 0);
    driver
        .put(target(token, 0, true, 20 * 4096), &[1; 8])
        .refused(EIO);
    driver.run(code::READ_GID, []).ok();
    assert_eq!(driver.ram.read(DMB, 8), [0; 8]);
    driver
        .client
        .unmap(IOVA, vfio_user_ism_tests::driver::RAM_LEN)
        .ok();
    assert!(daemon.is_alive());
}
