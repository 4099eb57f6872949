// SPDX-License-Identifier: GPL-2.0-or-later
//! The plugin's state and what it does in each callback.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::decode::Instruction;
use crate::ffi::VcpuCallback;
use crate::journal::Journal;
use crate::observe::{Discontinuity, Observer};
use crate::qemu::{Block, Flag, Qemu, QemuCpu, Registers};
use crate::qemu_info::QemuInfo;
use crate::record::{Line, Record};
use crate::sites::Sites;

/// Callbacks that translated code makes, each with a number.
#[derive(Clone, Copy, Debug)]
pub struct CodeCallbacks {
    /// Before a zPCI instruction; the number is its site's.
    pub issue: VcpuCallback,
    /// Before an instruction that may follow a zPCI instruction; the number is its address.
    pub reach: VcpuCallback,
}

/// One plugin for the whole QEMU process.
#[derive(Debug)]
pub struct Plugin {
    qemu: Qemu,
    callbacks: CodeCallbacks,
    /// Set while the vCPU has an instruction in flight: tested at the start of every block.
    pending: Flag,
    sites: Mutex<Sites>,
    vcpus: Vec<Mutex<Vcpu>>,
    journal: Mutex<Journal>,
    next_seq: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Vcpu {
    registers: Option<Registers>,
    observer: Observer,
}

/// A callback that panicked once has been reported; its data is plain values, usable all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plugin {
    /// Starts the journal with its first line.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn new(
        qemu: Qemu,
        info: &QemuInfo,
        callbacks: CodeCallbacks,
        mut journal: Journal,
    ) -> io::Result<Self> {
        journal.write(&Line::Start {
            plugin_version: env!("CARGO_PKG_VERSION"),
            qemu_api: [info.api_min, info.api_cur],
            target: &info.target,
            max_vcpus: info.max_vcpus,
        })?;
        Ok(Self {
            qemu,
            callbacks,
            pending: qemu.new_flag(),
            sites: Mutex::default(),
            vcpus: (0..info.max_vcpus).map(|_| Mutex::default()).collect(),
            journal: Mutex::new(journal),
            next_seq: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    /// The QEMU process.
    #[must_use]
    pub const fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    /// Whether observing has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends observing, leaving the guest alone; says so on stderr and, if it can, in the journal.
    pub fn stop(&self, problem: &str) {
        if self.stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        report(&format!("{problem}; no longer observing"));
        // The file may be the problem.
        let _ = lock(&self.journal).write(&Line::Problem { message: problem });
    }

    /// A vCPU came up, or came back.
    pub fn vcpu_init(&self, index: u32) {
        match (self.vcpu(index), self.qemu.registers()) {
            (Some(mut vcpu), Ok(registers)) => vcpu.registers = Some(registers),
            (None, _) => self.stop(&format!(
                "vCPU {index} is beyond the {} that QEMU announced",
                self.vcpus.len()
            )),
            (_, Err(error)) => self.stop(&format!("vCPU {index}: {error}")),
        }
    }

    /// Guest code is translated: asks for callbacks around its zPCI instructions.
    pub fn translate(&self, block: &Block<'_>) {
        if let Ok(address) = usize::try_from(block.address()) {
            block.on_enter_if(self.pending, self.callbacks.reach, address);
        }
        // QEMU 11.1 ends a block after each zPCI instruction, but does not promise to.
        let mut after_zpci = false;
        for entry in block.instructions() {
            let address = entry.address();
            if let (true, Ok(number)) = (after_zpci, usize::try_from(address)) {
                entry.on_execute(self.callbacks.reach, number);
            }
            let (bytes, length) = entry.bytes();
            let opcode = bytes.get(..length).unwrap_or_default();
            let decoded = Instruction::decode(opcode);
            after_zpci = decoded.is_some();
            if let Some(instruction) = decoded {
                let number = lock(&self.sites).number(address, opcode, instruction);
                entry.on_execute(self.callbacks.issue, number);
            }
        }
    }

    /// A vCPU is about to execute the zPCI instruction at site `number`.
    pub fn issue(&self, index: u32, number: usize) {
        let Some(site) = lock(&self.sites).get(number) else {
            return;
        };
        self.observe(index, |observer, cpu| {
            let earlier = observer.reached(cpu, site.address);
            let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
            observer.begin(cpu, &site, index, seq);
            earlier
        });
    }

    /// A vCPU is about to execute the instruction at `address`.
    pub fn reach(&self, index: u32, address: u64) {
        self.observe(index, |observer, cpu| observer.reached(cpu, address));
    }

    /// A vCPU took an interruption or exception.
    pub fn discontinuity(&self, index: u32, kind: Discontinuity, from: u64, to: u64) {
        if self
            .vcpu(index)
            .is_some_and(|vcpu| vcpu.observer.is_pending())
        {
            self.observe(index, |observer, cpu| {
                observer.discontinued(cpu, kind, from, to)
            });
        }
    }

    /// QEMU ends: writes what is still in flight and the last line.
    pub fn exit(&self) {
        for vcpu in &self.vcpus {
            let unseen = lock(vcpu).observer.abandon();
            self.write(unseen.as_ref());
        }
        if !self.stopped.swap(true, Ordering::Relaxed)
            && let Err(error) = lock(&self.journal).end()
        {
            report(&format!("writing the last record failed: {error}"));
        }
    }

    fn vcpu(&self, index: u32) -> Option<MutexGuard<'_, Vcpu>> {
        self.vcpus.get(usize::try_from(index).ok()?).map(lock)
    }

    fn observe(
        &self,
        index: u32,
        step: impl FnOnce(&mut Observer, &QemuCpu<'_>) -> Option<Record>,
    ) {
        let Some(mut vcpu) = self.vcpu(index) else {
            return;
        };
        let Some(registers) = vcpu.registers else {
            return;
        };
        let record = step(&mut vcpu.observer, &QemuCpu::new(&self.qemu, &registers));
        self.qemu
            .set_flag(self.pending, index, vcpu.observer.is_pending());
        drop(vcpu);
        self.write(record.as_ref());
    }

    fn write(&self, record: Option<&Record>) {
        let Some(record) = record else {
            return;
        };
        let written = lock(&self.journal).write(&Line::Insn(record));
        if let Err(error) = written {
            self.stop(&format!("writing a record failed: {error}"));
        }
    }
}

/// Says something on stderr, which QEMU shares with us and may have closed.
pub fn report(message: &str) {
    let _ = writeln!(io::stderr(), "vfio-user-ism-plugin: {message}");
}
