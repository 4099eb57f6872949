//! seccomp: which system calls serving takes.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Restricts every thread of the process. `client_memory` lets them name any process in
/// process_vm_readv and process_vm_writev; else only this one.
pub fn restrict(client_memory: bool) -> Result<(), String> {
    // Each filter may only take away. The one that ends the process comes first: the other forbids
    // to add any more.
    let traps = program(traps(), SeccompAction::Allow, SeccompAction::KillProcess)?;
    let serving = program(
        serving(client_memory)?,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
    )?;
    for program in [&traps, &serving] {
        seccompiler::apply_filter_all_threads(program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Restricts the calling thread, which does nothing but reach into client processes.
pub fn restrict_to_process_memory() -> Result<(), String> {
    let calls = PROCESS_MEMORY.iter().chain(MEMORY_AND_THREADS);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    rules.extend(no_executable_memory()?);
    let errno = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let program = program(rules, errno, SeccompAction::Allow)?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// System calls, each with the conditions of which one must hold; none is no condition.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What a thread takes to live, to wait and to have memory.
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

/// What reaches into another process.
const PROCESS_MEMORY: &[i64] = &[libc::SYS_process_vm_readv, libc::SYS_process_vm_writev];

/// What serving takes beside that: descriptors that are open or come by a socket.
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
    // A pair that belongs to nobody yet: the twin socket of a client.
    libc::SYS_socketpair,
    libc::SYS_statx,
    // The socket files at the end; Landlock says where.
    libc::SYS_unlinkat,
    libc::SYS_writev,
];

/// Older forms, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What nothing here makes, once the sockets are open: whoever does has taken the process over.
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

fn traps() -> Rules {
    TRAPS.iter().map(|call| (*call, Vec::new())).collect()
}

fn serving(client_memory: bool) -> Result<Rules, String> {
    let plain = [MEMORY_AND_THREADS, DESCRIPTORS, OLDER].concat();
    let mut rules: Rules = plain.into_iter().map(|call| (call, Vec::new())).collect();
    rules.extend(no_executable_memory()?);
    let own = u64::from(std::process::id());
    let own_only = || {
        Ok::<_, String>(if client_memory {
            Vec::new()
        } else {
            vec![is(0, own)?]
        })
    };
    for call in PROCESS_MEMORY {
        rules.insert(*call, own_only()?);
    }
    // abort(3) signals its own thread.
    rules.insert(libc::SYS_tgkill, vec![is(0, own)?]);
    rules.insert(libc::SYS_prctl, vec![is(0, libc::PR_SET_NAME as u64)?]);
    rules.insert(
        libc::SYS_seccomp,
        vec![is(0, libc::SECCOMP_SET_MODE_FILTER.into())?],
    );
    rules
        .entry(libc::SYS_prctl)
        .or_default()
        .push(is(0, libc::PR_SET_NO_NEW_PRIVS as u64)?);
    for request in [libc::FIONBIO, libc::TCGETS, libc::TIOCGWINSZ] {
        #[allow(clippy::unnecessary_cast, reason = "its type depends on the C library")]
        let rule = is(1, request as u64)?;
        rules.entry(libc::SYS_ioctl).or_default().push(rule);
    }
    for command in [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_GETFL,
        libc::F_GET_SEALS,
        libc::F_SETFD,
    ] {
        let rule = is(1, command as u64)?;
        rules.entry(libc::SYS_fcntl).or_default().push(rule);
    }
    Ok(rules)
}

/// mmap and mprotect, but not to run what is there.
fn no_executable_memory() -> Result<Rules, String> {
    let exec = libc::PROT_EXEC as u64;
    let data = condition(2, SeccompCmpOp::MaskedEq(exec), 0)?;
    let calls = [libc::SYS_mmap, libc::SYS_mprotect];
    Ok(calls
        .into_iter()
        .map(|call| (call, vec![data.clone()]))
        .collect())
}

fn is(argument: u8, value: u64) -> Result<SeccompRule, String> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    SeccompCondition::new(argument, Dword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| error.to_string())
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    SeccompFilter::new(rules, otherwise, listed, arch)
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())
}
