//! Builds a system-call filter: a program for the kernel's seccomp machine (classic BPF).
//!
//! The program compares the call's number with one rule after the other. It reads the structure
//! `seccomp_data` of `include/uapi/linux/seccomp.h`, whose words are in host byte order.

use std::collections::BTreeMap;

use nix::libc::{self, sock_filter};

/// System calls, each with conditions of which one must hold. A call without conditions matches with any
/// arguments.
pub type Rules = BTreeMap<i64, Vec<Condition>>;

/// A condition on the low 32 bits of an argument. Arguments count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The argument has this value.
    Is(u8, u32),
    /// The argument has none of these bits.
    HasNone(u8, u32),
}

/// The kernel's action on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The kernel carries it out.
    Allow,
    /// The call fails with this errno.
    Errno(i32),
    /// The kernel ends the process with SIGSYS.
    KillProcess,
}

impl Action {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
            Self::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// A filter that can be put on threads.
#[derive(Clone, Debug)]
pub struct Filter(Vec<sock_filter>);

/// This architecture as the kernel's `include/uapi/linux/audit.h` numbers it.
fn architecture() -> Result<u32, String> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        "riscv64" => Ok(0xc000_00f3),
        "s390x" => Ok(0x8000_0016),
        other => Err(format!("the filter does not know the architecture {other}")),
    }
}

/// Offsets of call number, architecture and arguments in `seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Offset of the low half of an 8-byte argument.
const LOW_HALF: u32 = if cfg!(target_endian = "big") { 4 } else { 0 };

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Builds one instruction. A jump skips `yes` or `no` instructions.
fn instruction(code: u32, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: code.to_le_bytes()[0].into(),
        jt: yes,
        jf: no,
        k,
    }
}

impl Condition {
    /// Returns instructions that end with `action` if the condition holds, and otherwise continue.
    fn instructions(self, action: Action) -> [sock_filter; 3] {
        let (argument, jump) = match self {
            Self::Is(argument, value) => (argument, instruction(JUMP_IF_EQUAL, value, 0, 1)),
            Self::HasNone(argument, bits) => (argument, instruction(JUMP_IF_ANY_BIT, bits, 1, 0)),
        };
        let offset = ARGUMENTS + 8 * u32::from(argument) + LOW_HALF;
        [
            instruction(LOAD, offset, 0, 0),
            jump,
            instruction(RETURN, action.value(), 0, 0),
        ]
    }
}

impl Filter {
    /// Creates a filter that applies `listed` to the calls of the rules and `otherwise` to all others. A call
    /// in the convention of another architecture ends the process.
    ///
    /// A call may have up to 80 conditions, because a jump reaches 255 instructions. The error says that the
    /// filter does not know this architecture.
    pub fn new(rules: &Rules, listed: Action, otherwise: Action) -> Result<Self, String> {
        let architecture = architecture()?;
        let kill = Action::KillProcess.value();
        let mut program = vec![
            instruction(LOAD, ARCH, 0, 0),
            instruction(JUMP_IF_EQUAL, architecture, 1, 0),
            instruction(RETURN, kill, 0, 0),
            instruction(LOAD, NUMBER, 0, 0),
        ];
        for (call, conditions) in rules {
            let mut body: Vec<_> = conditions
                .iter()
                .flat_map(|condition| condition.instructions(listed))
                .collect();
            let end = if body.is_empty() { listed } else { otherwise };
            body.push(instruction(RETURN, end.value(), 0, 0));
            let skip = u8::try_from(body.len()).expect("up to 80 conditions");
            let call = u32::try_from(*call).expect("system calls have small numbers");
            program.push(instruction(JUMP_IF_EQUAL, call, 0, skip));
            program.append(&mut body);
        }
        program.push(instruction(RETURN, otherwise.value(), 0, 0));
        Ok(Self(program))
    }

    /// Applies the filter to the calling thread.
    pub fn restrict_thread(&self) -> Result<(), String> {
        self.install(0)
    }

    /// Applies the filter to every thread of the process.
    pub fn restrict_process(&self) -> Result<(), String> {
        self.install(libc::SECCOMP_FILTER_FLAG_TSYNC)
    }

    fn install(&self, flags: libc::c_ulong) -> Result<(), String> {
        nix::sys::prctl::set_no_new_privs().map_err(|errno| errno.to_string())?;
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).map_err(|error| error.to_string())?,
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: seccomp(2) reads `program` and the `len` instructions it points to, which live
        // until the call returns. The kernel checks the instructions.
        let done = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
                flags,
                &raw const program,
            )
        };
        match done {
            0 => Ok(()),
            -1 => Err(std::io::Error::last_os_error().to_string()),
            thread => Err(format!("thread {thread} has other filters")),
        }
    }
}

/// Forbids the process to make memory executable that is or was writable. It replaces the filter's condition
/// on s390x, whose mmap takes its arguments by a pointer. Needs Linux 6.3 or later.
pub fn forbid_new_code() -> Result<(), String> {
    if !cfg!(target_arch = "s390x") {
        return Ok(());
    }
    let zero: libc::c_ulong = 0;
    let refuse = libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN);
    // SAFETY: this operation of prctl(2) takes numbers and touches no memory.
    let done = unsafe { libc::prctl(libc::PR_SET_MDWE, refuse, zero, zero, zero) };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().to_string()),
    }
}
