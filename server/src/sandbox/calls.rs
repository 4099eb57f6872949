//! The seccomp filter: the system calls that serving needs.

use nix::libc;

use super::filter::{Action, Condition, Filter, Rules};

/// The variant of SO_RCVTIMEO with a time of 64 bits: `include/uapi/asm-generic/socket.h`.
const SO_RCVTIMEO_NEW: i32 = 66;
/// The result of a call that is not listed: EPERM.
const REFUSED: Action = Action::Errno(libc::EPERM);

/// Restricts every thread of the process. With `client_memory`, process_vm_readv and process_vm_writev may
/// name any process, otherwise only this one.
pub fn restrict(client_memory: bool) -> Result<(), String> {
    // Each filter can only remove rights. The filter that ends the process comes first, because the other one
    // forbids adding more.
    let traps = Filter::new(&traps(), Action::KillProcess, Action::Allow)?;
    let serving = Filter::new(&serving(client_memory), Action::Allow, REFUSED)?;
    traps.restrict_process()?;
    serving.restrict_process()
}

/// Restricts the calling thread, which only accesses the memory of client processes.
pub fn restrict_to_process_memory() -> Result<(), String> {
    let calls = PROCESS_MEMORY.iter().chain(MEMORY_AND_THREADS);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    rules.extend(no_executable_memory());
    Filter::new(&rules, Action::Allow, REFUSED)?.restrict_thread()
}

/// Calls that a thread needs to live, to wait and to have memory.
const MEMORY_AND_THREADS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_write,
];

/// Calls that access the memory of another process.
const PROCESS_MEMORY: &[i64] = &[libc::SYS_process_vm_readv, libc::SYS_process_vm_writev];

/// Other calls that serving needs, on descriptors that are open or arrive by a socket.
const DESCRIPTORS: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_dup,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    // This creates a connected pair that no other process knows: the twin socket of a client.
    libc::SYS_socketpair,
    libc::SYS_statx,
    // This removes the socket files at the end; Landlock limits it to their folders.
    libc::SYS_unlinkat,
    libc::SYS_writev,
];

/// Older forms of calls, which newer architectures lack.
#[cfg(any(target_arch = "x86_64", target_arch = "s390x"))]
const OLDER: &[i64] = &[
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_unlink,
    #[cfg(target_arch = "s390x")]
    libc::SYS_fstatfs64,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "s390x")))]
const OLDER: &[i64] = &[];

/// Calls that this program never makes once the sockets are open. A call to one of them means that an
/// attacker controls the process.
const TRAPS: &[i64] = &[
    libc::SYS_add_key,
    libc::SYS_bind,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_connect,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_listen,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_ptrace,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_setuid,
    libc::SYS_socket,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// The call through which s390x's C library makes calls on sockets. Its first argument selects the call, with
/// the numbers of `include/uapi/linux/net.h`.
#[cfg(target_arch = "s390x")]
mod socketcall {
    /// The calls socket, bind, connect and listen: see `TRAPS`.
    pub const TRAPS: [u32; 4] = [1, 2, 3, 4];
    /// The calls getsockname, getpeername, socketpair, send, recv, sendto, recvfrom, shutdown, getsockopt,
    /// sendmsg, recvmsg and accept4: see `DESCRIPTORS`.
    pub const SERVING: [u32; 12] = [6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18];
}

fn traps() -> Rules {
    #[allow(unused_mut, reason = "one architecture adds a call")]
    let mut rules: Rules = TRAPS.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "s390x")]
    rules.insert(libc::SYS_socketcall, is(0, socketcall::TRAPS));
    rules
}

fn serving(client_memory: bool) -> Rules {
    let plain = [MEMORY_AND_THREADS, DESCRIPTORS, OLDER].concat();
    let mut rules: Rules = plain.into_iter().map(|call| (call, Vec::new())).collect();
    rules.extend(no_executable_memory());
    #[cfg(target_arch = "s390x")]
    rules.insert(libc::SYS_socketcall, is(0, socketcall::SERVING));
    let own = is(0, [std::process::id()]);
    for call in PROCESS_MEMORY {
        let of_whom = if client_memory {
            Vec::new()
        } else {
            own.clone()
        };
        rules.insert(*call, of_whom);
    }
    // abort(3) signals the thread itself.
    rules.insert(libc::SYS_tgkill, own);
    rules.insert(
        libc::SYS_prctl,
        is(
            0,
            [libc::PR_SET_NAME, libc::PR_SET_NO_NEW_PRIVS].map(i32::unsigned_abs),
        ),
    );
    // This sets how long a receive waits. If it is refused, a wait takes one more system call.
    let options = [libc::SO_RCVTIMEO, SO_RCVTIMEO_NEW].map(i32::unsigned_abs);
    rules.insert(libc::SYS_setsockopt, is(2, options));
    rules.insert(libc::SYS_seccomp, is(0, [libc::SECCOMP_SET_MODE_FILTER]));
    #[allow(clippy::unnecessary_cast, reason = "its type depends on the C library")]
    let requests = [libc::FIONBIO, libc::TCGETS, libc::TIOCGWINSZ].map(|request| request as u32);
    rules.insert(libc::SYS_ioctl, is(1, requests));
    let commands = [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_GETFL,
        libc::F_GET_SEALS,
        libc::F_SETFD,
    ];
    rules.insert(libc::SYS_fcntl, is(1, commands.map(i32::unsigned_abs)));
    rules
}

/// Rules for mmap and mprotect that forbid executable memory.
fn no_executable_memory() -> Rules {
    let data = vec![Condition::HasNone(2, libc::PROT_EXEC.unsigned_abs())];
    // s390x's mmap takes a pointer to its arguments, so `forbid_new_code` replaces the condition.
    let mmap = if cfg!(target_arch = "s390x") {
        Vec::new()
    } else {
        data.clone()
    };
    [(libc::SYS_mmap, mmap), (libc::SYS_mprotect, data)].into()
}

/// Returns one condition for each value that an argument may have.
fn is<const N: usize>(argument: u8, values: [u32; N]) -> Vec<Condition> {
    values.map(|value| Condition::Is(argument, value)).to_vec()
}
